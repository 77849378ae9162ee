// Try: ask what a device would be asked, and see why it is answered so.

import { chart, h, isolated, own, p, row, soft } from "./node.js";
import { complain, doing } from "./said.js";
import { ask } from "./server.js";
import { refresh, state } from "./state.js";
import { page } from "./view.js";
import { bytes, percent } from "./words.js";

/** Answers that stay on the page, files at once, and faults of these that are told. */
const STAY = 12;
const FILES = 100;
const FAULTS = 3;

export function tryIt() {
  const results = h("div", { class: "tried", "aria-live": "polite" });
  const answer = async (body, headers, picture) => {
    const found = await ask("/api/try", body, headers);
    found.answers.forEach((one, at) =>
      results.prepend(verdict(one, found.names[at], found, picture)),
    );
    while (results.children.length > STAY) results.lastChild.remove();
    found.alarms.forEach(complain);
    if (found.bundle !== state.bundle) await refresh();
  };
  const { form, field } = typed(answer);
  const keeps = state.keeps
    ? "What is not known is kept for Review."
    : "Nothing is kept: for that, start the console with --keep DIR.";
  page(
    h("h1", {}, "Try"),
    soft(`Ask what a device would be asked. ${keeps}`),
    state.media && dropped(answer),
    form,
    results,
  );
  field.focus();
}

function typed(answer) {
  const as = (value) => JSON.stringify({ [state.kind]: value });
  const field = h("textarea", {
    id: "input",
    placeholder: state.written ? state.example : as(state.example),
    rows: 3,
  });
  const asJson = h("input", { type: "checkbox", id: "json", checked: !state.written });
  const send = doing(async () => {
    if (!field.value.trim()) return field.focus();
    await answer(asJson.checked ? field.value : as(field.value), {
      "content-type": "application/json",
    });
    field.select();
  });
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey && !asJson.checked) send(event);
  });
  const name = state.written ? "An input" : state.media ? "Or JSON" : "JSON";
  const form = h(
    "form",
    { onsubmit: send },
    h("label", { for: "input", class: "above" }, name),
    field,
    row(
      h("button", { class: "go" }, "Answer"),
      h("label", { class: "inline" }, asJson, "It is JSON, as POST /predict takes it"),
    ),
  );
  return { form, field };
}

function dropped(answer) {
  const files = doing(async (event) => {
    const given = [...(event.dataTransfer ? event.dataTransfer.files : event.target.files)];
    if (!event.dataTransfer) event.target.value = ""; // so that the same file may be chosen again
    const faults = [];
    if (given.length > FILES)
      faults.push(
        `${given.length - FILES} files were left out: expected at most ${FILES} at once; give them afterwards`,
      );
    for (const file of given.slice(0, FILES)) {
      await sent(file, answer).catch((error) =>
        faults.push(`${isolated(file.name.slice(0, 80))}: ${error.message}`),
      );
    }
    if (faults.length > FAULTS)
      faults.splice(FAULTS, faults.length, `${faults.length - FAULTS} more could not be answered`);
    if (faults.length) throw new Error(faults.join("\n"));
  });
  const over = (is) => drop.classList.toggle("over", is);
  const drop = h(
    "div",
    {
      class: "drop",
      ondragover: (event) => {
        event.preventDefault();
        over(true);
      },
      ondragleave: () => over(false),
      ondrop: (event) => {
        over(false);
        files(event);
      },
    },
    p(
      "Drop pictures here, or ",
      h("label", { for: "files" }, "choose them"),
      ": ",
      h("input", { type: "file", id: "files", multiple: true, accept: "image/*", onchange: files }),
    ),
  );
  return drop;
}

async function sent(file, answer) {
  if (file.size > state.body_bytes)
    throw new Error(
      `expected at most ${bytes(state.body_bytes)}, found ${bytes(file.size)}; shrink the picture`,
    );
  const media = file.type.startsWith(state.media) ? file.type : `${state.media}unknown`;
  await answer(file, { "content-type": media }, file);
}

function verdict(one, name, found, picture) {
  const unsure = !one.unknown && one.probability < 0.5;
  const tag = one.unknown
    ? h("span", { class: "tag bad" }, "unknown")
    : h("span", { class: "tag good" }, "known");
  const before = one.unknown ? "nearest: " : unsure ? "not sure: " : "";
  return h(
    "article",
    { class: "card" },
    picture && seen(picture),
    h("p", { class: "soft small", dir: "auto" }, picture ? picture.name.slice(0, 200) : name),
    h(
      "p",
      { class: "verdict" },
      tag,
      " ",
      h("span", { class: "of" }, before, `${one.task} / `),
      own(one.label),
    ),
    h("dl", { class: "evidence" }, evidence(one, unsure)),
    found.map && placed(found),
  );
}

function evidence(one, unsure) {
  const lines = [];
  const add = (term, ...what) => lines.push(h("dt", {}, term), h("dd", {}, ...what));
  if (!one.unknown) {
    const meter = h("meter", {
      min: 0,
      max: 1,
      value: one.probability,
      "aria-label": "probability that the answer is right",
    });
    add(
      "evidence",
      meter,
      ` ${percent(one.probability)}${unsure ? ", not sure" : ""}: task and label are right, if the input is of one of the tasks`,
    );
  }
  if (one.runner_up) {
    const again =
      one.stages > 2
        ? ": close even at the third comparison"
        : one.stages > 1
          ? ": compared a second time"
          : "";
    add("runner-up", `${one.runner_up}, ${one.margin.toFixed(1)} behind${again}`);
  }
  if (one.reason) add("why unknown", one.reason);
  else
    add(
      "why known",
      `out-of-distribution score ${one.ood_score.toFixed(1)}, below the task's threshold`,
    );
  add(
    "promise",
    `of inputs like the held-out ones, at most ${percent(one.wrong_answer_at_most)} get a wrong answer, and at most ${percent(one.wrong_task_at_most)} go to the wrong task`,
  );
  if (one.truncated) add("note", "it is longer than the encoder reads; the end was ignored");
  return lines;
}

const placed = (found) =>
  h(
    "details",
    {},
    h("summary", {}, "Where it lies among the classes"),
    chart(
      found.map,
      `The ring is this input, among the classes that say most for it. Of each class's nearest classes ${percent(found.map_shows, 0)} are its nearest here, too: trust what lies close together more than what lies far apart.`,
    ),
  );

function seen(picture) {
  const url = URL.createObjectURL(picture);
  return h("img", {
    src: url,
    alt: picture.name.slice(0, 100),
    onload: () => URL.revokeObjectURL(url),
  });
}
