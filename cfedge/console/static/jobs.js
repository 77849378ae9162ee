// What was taught: what it would change, and the clicks that switch it on, take it back or drop it.

import { box, button, h, light, p, row, small } from "./node.js";
import { complain, doing, say } from "./said.js";
import { ask } from "./server.js";
import { refresh } from "./state.js";
import { figure, table } from "./table.js";
import { ago, bytes, percent, plural } from "./words.js";

const STATES = {
  working: ["at work", "soft"],
  ready: ["ready: not answering yet", "soft"],
  failed: ["failed", "bad"],
  answers: ["answers", "good"],
  "taken back": ["taken back", "soft"],
  dropped: ["dropped", "soft"],
};
/** Tasks that a table shows; of more, those that change. */
const SHOWN = 12;

/** Show all jobs; `looking` looks at them again, or pauses that. */
export function drawJobs(list, found, looking) {
  const last = found.jobs.find((job) => job.state === "answers");
  list.replaceChildren(
    ...(found.jobs.length ? [h("h2", {}, "What was taught")] : []),
    ...found.jobs.map((job) => jobNode(job, found, job === last, looking)),
  );
}

function jobNode(job, found, isLast, looking) {
  const [name, kind] = STATES[job.state] || [job.state, "soft"];
  return h(
    "article",
    {
      class: `card${job.state === "ready" ? " strong" : ""}`,
      "data-job": job.name,
      "data-state": job.state,
    },
    row(
      h("h3", { class: "grow" }, job.request.heading),
      h("span", { class: `tag ${kind}` }, name),
      h("span", { class: "soft small" }, `${ago(Date.now() / 1000 - job.request.begun)} ago`),
    ),
    job.state === "working" && progressNode(job),
    job.result.error && box("alarm", p(job.result.error)),
    job.result.rows && job.state !== "dropped" && result(job.result),
    clicks(job, found, isLast, looking),
  );
}

function clicks(job, found, isLast, looking) {
  const call = (what, told) =>
    doing(async () => {
      looking.pause();
      try {
        const done = await ask(`/api/jobs/${job.name}/${what}`, {});
        if (done.note) complain(done.note);
        await refresh();
        if (told) say(told);
      } finally {
        await looking.decided();
      }
    });
  if (job.state === "working") return light("Stop", call("drop"));
  if (job.state === "answers" && isLast)
    return row(
      button("Go back to what was before", call("rollback", "What was before answers again.")),
    );
  if (job.state !== "ready") return null;
  const worse = job.result.worse,
    why = found.cannot_activate;
  return row(
    button(
      worse ? "Switch it on all the same" : "Switch it on",
      call("activate", "It answers now. One click takes it back."),
      { class: worse ? "danger" : "go", disabled: Boolean(why) },
    ),
    button("Drop it", call("drop")),
    why && h("span", { class: "soft small" }, `It cannot be switched on: ${why}`),
  );
}

function progressNode(job) {
  const { stage, done, total, left_s: left } = job.progress;
  const rest = left === null || left === undefined ? "" : `: about ${ago(left)} left`;
  const label = stage ? `${stage}${rest}` : "beginning";
  return h(
    "div",
    {},
    small(label),
    h("progress", { max: stage && (total || 1), value: stage && (done || 0), "aria-label": label }),
  );
}

function result(found) {
  const { rows, outlook, advice } = found;
  const shown = rows.length > SHOWN ? rows.filter((one) => one.changed || one.worse.length) : rows;
  return [
    verdict(found),
    beforeAfter(shown),
    rows.length > shown.length &&
      small(`${rows.length - shown.length} other tasks are as good as they were.`),
    h(
      "p",
      { class: "small" },
      found.task_bytes ? `The task takes ${bytes(found.task_bytes)}; ` : "",
      `the bundle ${bytes(found.bytes)}. `,
      `${learned(found.method)} in ${ago(found.seconds)}.`,
    ),
    outlook && box("note", p(h("b", {}, "How many more? "), more(outlook))),
    advice &&
      advice.length > 0 &&
      h(
        "details",
        {},
        h("summary", {}, `${plural(advice.length, "thing")} to know`),
        h(
          "ul",
          {},
          advice.map((line) => h("li", {}, line)),
        ),
      ),
  ];
}

const learned = (method) =>
  method ? `Learned ${method === "adapter" ? "with an adapter" : "in closed form"}` : "Made";

function verdict({ rows, worse }) {
  if (!worse)
    return box(
      "note fine",
      p(h("b", {}, "Nothing becomes worse"), " on the held-out inputs of any task."),
    );
  const bad = rows.filter((one) => one.worse.length);
  return box(
    "alarm",
    p(h("b", {}, `${plural(bad.length, "task")} would become worse. `)),
    bad.map((one) => p(`${one.task}: ${one.worse.join("; ")}`)),
  );
}

function beforeAfter(rows) {
  const right = (one) => (one ? `${one.right} of ${one.held_out}` : "–");
  const share = (one) => (one ? percent(one.right / Math.max(1, one.held_out)) : "gone");
  const limit = (one) => (one ? percent(one.wrong_answer_at_most) : "–");
  const worse = (one, isLimit) =>
    one.worse.some((line) => line.startsWith("limit") === isLimit) ? "worse" : "";
  const name = (one) => [
    `${one.task} `,
    one.changed && h("span", { class: "tag soft" }, one.before ? "changed" : "new"),
  ];
  return table({
    label: "Before and after",
    caption: "Task and label right, on held-out inputs, with all tasks together",
    over: [
      ["", 1],
      ["right answers", 3],
      ["wrong answers, at most", 2],
    ],
    columns: ["task", ...["before", "after", "share", "before", "after"].map((one) => figure(one))],
    rows: rows.map((one) => [
      name(one),
      figure(right(one.before)),
      figure(right(one.after), worse(one, false)),
      figure(share(one.after)),
      figure(limit(one.before)),
      figure(limit(one.after), worse(one, true)),
    ]),
    marked: (at) => (rows[at].changed ? "changed" : null),
  });
}

function more(outlook) {
  const last = outlook.points[outlook.points.length - 1];
  const between = `between ${percent(outlook.low)} and ${percent(outlook.high)}`;
  const now = `With ${last.examples} examples ${percent(last.error)} of the held-out inputs get a wrong label, where the task is known. `;
  if (outlook.error > last.error - 0.005)
    return `${now}More would bring little: with ${outlook.examples} it would be ${between}.`;
  return `${now}With ${outlook.examples} it would be about ${percent(outlook.error)}, ${between}.`;
}
