// Watch: what is asked, how much of it is not known, and whether the inputs are still the same.

import { box, chart, h, p, row, section, soft } from "./node.js";
import { complain } from "./said.js";
import { ask } from "./server.js";
import { figure, table } from "./table.js";
import { onLeave, page } from "./view.js";
import { percent } from "./words.js";

const SPANS = [
  [60, "1 hour"],
  [120, "2 hours"],
  [1440, "1 day"],
  [10080, "1 week"],
];
const AGAIN_MS = 15000;

export async function watch() {
  let minutes = 120;
  let on = true;
  let timer = 0;
  onLeave(() => {
    on = false;
    clearTimeout(timer);
  });
  const inside = h("div", {});
  const changed = () => {
    minutes = Number(select.value);
    again();
  };
  const select = h(
    "select",
    { id: "span", class: "short", onchange: changed },
    SPANS.map(([value, name]) => h("option", { value, selected: value === minutes }, name)),
  );
  page(
    h("h1", {}, "Watch"),
    soft(
      "What is asked, how much of it is not known, and whether it is still like what the tasks were certified with.",
    ),
    inside,
  );
  const again = () => look().catch((error) => complain(error.message));
  async function look() {
    clearTimeout(timer);
    const found = await ask(`/api/watch?minutes=${minutes}`);
    if (!on) return;
    inside.replaceChildren(
      ...[
        found.trouble && box("alarm", p(found.trouble)),
        drift(found),
        traffic(found, select),
      ].filter(Boolean),
    );
    timer = setTimeout(again, AGAIN_MS);
  }
  await look();
}

const count = (n) => figure(n.toLocaleString("en"));

function drift(found) {
  const { rows } = found.drift;
  return section(
    "Are the inputs still the same?",
    judged(found.drift),
    table({
      label: "Drift",
      caption: `Counted: ${found.source}`,
      columns: [
        "counted",
        ...["answers", "unknown or thin", "share", "promised at most", "alarm"].map((one) =>
          figure(one),
        ),
      ],
      rows: rows.map((one) => [
        one.name,
        count(one.inputs),
        count(one.hits),
        figure(
          one.inputs ? percent(one.hits / one.inputs) : "–",
          one.alarmed !== null ? "worse" : "",
        ),
        figure(percent(one.bound)),
        figure(one.alarmed !== null ? `at input ${one.alarmed}` : "none"),
      ]),
    }),
  );
}

function judged({ rows, alpha }) {
  const alarms = rows.filter((one) => one.alarmed !== null);
  const wrongly = `at most ${percent(alpha, 0)}`;
  if (alarms.length)
    return box(
      "alarm",
      p(
        h("b", {}, "The inputs changed. "),
        `The counts of ${alarms.map((one) => one.name).join(", ")} cannot be reconciled with the certificates. This is wrong with probability ${wrongly}: look at the inputs in Review, or teach a task of them.`,
      ),
    );
  if (!rows.some((one) => one.inputs))
    return box("note", p("Nothing was counted yet, so nothing can be said."));
  return box(
    "note fine",
    p(
      h("b", {}, "No change found in these counts. "),
      `The probability of ever raising a false alarm is ${wrongly}, however long this runs.`,
    ),
  );
}

function traffic(found, select) {
  if (!found.kept)
    return section(
      "Over time",
      soft("To count answers by the minute, start the console with --keep DIR."),
    );
  const { charts, reached, totals } = found;
  const share = (part, whole) => figure(percent(whole ? part / whole : 0));
  return section(
    "Over time",
    row(h("label", { for: "span" }, "The last"), select),
    chart(charts.answers, "Answers a minute, of all programs that keep into this folder."),
    chart(charts.unknown, "Share of inputs called unknown, by the task that they were nearest to."),
    reached.length > 0 &&
      box(
        "alarm",
        p(
          h("b", {}, "The inputs changed over this time: "),
          `the counts of ${reached.join(", ")} reached an alarm, of all programs that keep into this folder.`,
        ),
      ),
    chart(
      charts.drift,
      `What the counts of this time say against what is promised, as a share of what raises an alarm. Counting begins with this time; the probability that a line ever reaches 100% while nothing changed is at most ${percent(found.drift.alpha, 0)}.`,
    ),
    table({
      label: "Answers by task",
      caption: "By task, over this time",
      kind: "",
      columns: ["task", ...["answers", "unknown", "thin margin"].map((one) => figure(one))],
      rows: totals.map((one) => [
        one.task,
        count(one.answers),
        share(one.unknown, one.answers),
        share(one.thin, one.answers),
      ]),
    }),
  );
}
