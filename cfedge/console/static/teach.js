// Teach: what has labels becomes a task, a class or more examples, in the background.

import { drawJobs } from "./jobs.js";
import { empty, h, light, own, p, row, small, soft } from "./node.js";
import { complain, doing, say } from "./said.js";
import { ask } from "./server.js";
import { badge, state } from "./state.js";
import { onLeave, page } from "./view.js";
import { plural } from "./words.js";

/** How often jobs are looked at: while one works, and else. */
const [SOON_MS, LATER_MS] = [700, 4000];

export async function teach() {
  const top = h("div", {});
  const list = h("div", { id: "jobs" });
  page(h("h1", {}, "Teach"), top, list);
  if (!state.workspace) {
    top.append(
      empty(
        p("There is no workspace here, so nothing is taught."),
        p("Start the console with one: ", h("code", {}, "cfedge console BUNDLE WS"), "."),
      ),
    );
    return;
  }
  const looking = watching(top, list);
  if (state.keeps) await teachForm(top, looking);
  else
    top.append(
      soft("Inputs to teach come from Review: for that, start the console with --keep DIR."),
    );
  await looking.look();
}

/** Look at the jobs now and again while this part is seen. */
function watching(top, list) {
  let [on, timer, seen] = [true, 0, ""];
  onLeave(() => {
    on = false;
    clearTimeout(timer);
  });
  const again = () => look().catch((error) => complain(error.message));
  const pause = () => clearTimeout(timer);
  async function look() {
    pause();
    const found = await ask("/api/jobs");
    const open = found.jobs.filter((job) => job.state === "working" || job.state === "ready");
    badge("working", open.length);
    if (!on) return;
    const now = JSON.stringify(found);
    if (now !== seen) drawJobs(list, found, looking);
    seen = now;
    timer = setTimeout(again, open.some((job) => job.state === "working") ? SOON_MS : LATER_MS);
  }
  // what was taught has no label to teach any more, and has it again when it is taken back
  const decided = async () => {
    if (on && state.keeps) await teachForm(top, looking, false);
    await look();
  };
  const looking = { look, pause, decided };
  return looking;
}

async function teachForm(top, looking, focus = true) {
  const { labelled } = await ask("/api/review?labelled=1");
  const numbers = labelled.flatMap((one) => one.numbers);
  if (!numbers.length) {
    top.replaceChildren(
      empty(
        p("Nothing has a label yet."),
        p(
          "Give labels in ",
          h("a", { href: "#review" }, "Review"),
          "; then they become a task here.",
        ),
      ),
    );
    return;
  }
  const known = Object.keys(state.tasks);
  const name = h("input", {
    type: "text",
    id: "task",
    class: "short",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: "garden",
  });
  const old = h(
    "select",
    { id: "old", class: "short" },
    known.map((task) => h("option", { value: task }, task)),
  );
  const begin = doing(async () => {
    await ask("/api/teach", { change: asked(form, name, old), numbers });
    say("It is being taught. You may close this page: it goes on.");
    await looking.look();
  });
  const form = h(
    "form",
    { class: "card strong", onsubmit: begin },
    h("h2", {}, `${plural(numbers.length, "input")} with ${plural(labelled.length, "label")}`),
    h(
      "ul",
      { class: "chips" },
      labelled.map((one) => chip(one, () => teachForm(top, looking))),
    ),
    become(name, old, known),
    method(),
    row(
      h("button", { class: "go" }, "Teach"),
      h("span", { class: "soft small" }, "Nothing that answers changes until you switch it on."),
    ),
  );
  old.addEventListener("focus", () => {
    form.elements.kind.value = "more";
  });
  name.addEventListener("focus", () => {
    form.elements.kind.value = "new task";
  });
  top.replaceChildren(form);
  if (focus) name.focus();
}

/** What the form asks for. */
function asked(form, name, old) {
  const kind = form.elements.kind.value;
  if (kind === "more") return { kind, task: old.value, method: "closed-form" };
  const task = name.value.trim();
  if (task) return { kind, task, method: form.elements.method.value };
  name.focus();
  throw new Error("The new task needs a name: lower-case letters, digits, - and _.");
}

function chip(one, shown) {
  const marks = one.numbers.map((each) => ({ number: each, state: "waiting", label: null }));
  const back = doing(async () => {
    await ask("/api/mark", { marks });
    await shown();
  });
  return h(
    "li",
    { title: one.inputs.map((each) => each.words).join("\n") },
    own(one.label.slice(0, 120)),
    ` · ${one.numbers.length} `,
    light("put back", back, { "aria-label": `put back: ${one.label.slice(0, 60)}` }),
  );
}

const radio = (group, value, checked, ...said) =>
  h(
    "label",
    { class: "inline" },
    h("input", { type: "radio", name: group, value, checked }),
    h("span", {}, ...said),
  );

const become = (name, old, known) =>
  h(
    "fieldset",
    {},
    h("legend", {}, "They become"),
    row(radio("kind", "new task", true, "a new task"), h("label", { for: "task" }, "called"), name),
    known.length > 0 &&
      row(
        radio("kind", "more", false, "more examples, or new classes,"),
        h("label", { for: "old" }, "of the task"),
        old,
      ),
  );

const method = () =>
  h(
    "fieldset",
    {},
    h("legend", {}, "A new task is learned"),
    radio("method", "closed-form", true, "in seconds: a closed form"),
    state.torch
      ? radio("method", "adapter", false, "in minutes: an adapter, mostly more accurate")
      : small("PyTorch is not installed here, so there is the closed form alone."),
  );
