// Review: what was not known, decided about with single keys.

import { coarser, decide, desk, erase, give, load, meant, undo } from "./desk.js";
import { askName } from "./dialogs.js";
import { focusHere, groupNodes, leap, mark, step, toggle } from "./groups.js";
import { button, empty, h, light, p, soft } from "./node.js";
import { doing } from "./said.js";
import { badge, state } from "./state.js";
import { onLeave, page } from "./view.js";
import { plural } from "./words.js";

/** Labels that have a key. */
const SLOTS = 9;

export async function review() {
  const title = h("h1", {}, "Review");
  if (!state.keeps) {
    const code = (words) => h("code", {}, words);
    page(
      title,
      empty(
        p("Nothing is kept, as nobody asked for it."),
        p(
          "To keep what is not known, encrypted and on this machine alone, start the console with ",
          code("--keep DIR"),
          ". ",
          code("cfedge serve"),
          " and ",
          code("cfedge predict"),
          " can keep into the same folder.",
        ),
      ),
    );
    return;
  }
  page(title, soft("Grouping what is waiting …"));
  document.addEventListener("keydown", pressed);
  onLeave(() => document.removeEventListener("keydown", pressed));
  await load();
}

desk.draw = () => {
  if (location.hash !== "#review") return;
  badge("waiting", desk.counts.waiting);
  const labelled = desk.labelled.reduce((sum, one) => sum + one.numbers.length, 0);
  page(
    h("h1", {}, "Review"),
    soft(counted(desk.counts)),
    tools(desk.counts),
    slots(labelled),
    desk.groups.length
      ? h(
          "div",
          { id: "groups" },
          groupNodes(),
          desk.more > 0 && soft(`${desk.more} more, groups and single inputs, come after these.`),
        )
      : decided(labelled),
  );
  focusHere();
};

const isPart = (counts) => counts.waiting > desk.window;

function counted(counts) {
  const lines = [];
  if (counts.waiting)
    lines.push(
      `${plural(counts.waiting, "input")} waiting. Inputs that are alike stand in a group: one decision each.`,
    );
  if (counts.waiting && isPart(counts))
    lines.push(`Shown: ${desk.window.toLocaleString("en")} of them.`);
  if (counts.aside) lines.push(`${plural(counts.aside, "input")} set aside.`);
  if (counts.taught) lines.push(`${counts.taught.toLocaleString("en")} taught.`);
  return lines.join(" ");
}

function tools(counts) {
  const next = doing(() => {
    desk.offset = desk.offset + desk.window < counts.waiting ? desk.offset + desk.window : 0;
    return load();
  });
  const aside = `Erase the ${plural(counts.aside, "input")} set aside? This cannot be undone.`;
  const all = "Erase all kept inputs, labelled ones too? This cannot be undone.";
  return h(
    "div",
    { class: "row small" },
    "Groups: ",
    light(["larger ", h("kbd", {}, "-")], () => coarser(1)),
    light(["smaller ", h("kbd", {}, "+")], () => coarser(-1)),
    isPart(counts) && light("the next ones", next),
    h("span", { class: "grow" }),
    counts.aside > 0 &&
      light(
        "Erase what is set aside",
        doing(() => erase({ state: "aside" }, aside)),
      ),
    light(
      "Erase all",
      doing(() => erase({ all: true }, all)),
    ),
  );
}

function slots(labelled) {
  const slot = (key, words, call, more) =>
    button([h("kbd", {}, key), h("span", {}, words), more && more.tail], call, {
      class: "slot",
      title: more && words,
      disabled: more && more.disabled,
    });
  const count = (label) =>
    (desk.labelled.find((one) => one.label === label) || { numbers: [] }).numbers.length;
  const known = desk.slots
    .slice(0, SLOTS)
    .map((label, at) =>
      slot(String(at + 1), label, () => decide("labelled", label), {
        tail: h("span", { class: "n" }, String(count(label))),
      }),
    );
  return h(
    "div",
    { class: "slots", role: "group", "aria-label": "Labels" },
    known,
    slot("N", "new label", newLabel),
    slot("0", "set aside", () => decide("aside", null)),
    slot("U", "undo", undo, { disabled: !desk.undo.length }),
    labelled > 0 &&
      button([`Teach ${plural(labelled, "input")} `, h("kbd", {}, "T")], toTeach, { class: "go" }),
  );
}

function decided(labelled) {
  if (desk.counts.waiting)
    return empty(p("These are decided; more are waiting."), button("Show them", doing(load)));
  return empty(
    p("Nothing is waiting."),
    p(
      labelled
        ? "Go on to Teach with what has labels."
        : "What is not known comes here as it is met.",
    ),
  );
}

const toTeach = () => {
  location.hash = "#teach";
};

function newLabel() {
  const numbers = meant();
  if (!numbers.length) return;
  const group = desk.groups[desk.at[0]];
  askName(
    {
      id: "new-label",
      title: [`A label for ${plural(numbers.length, "input")}`],
      term: "Label",
      value: (group && group.suggested) || "",
      verb: "Give it",
      then: focusHere,
    },
    (label) => give("labelled", label),
  );
}

const letGo = () => {
  desk.chosen = new Set();
  desk.from = null;
  mark();
};
const KEYS = {
  ArrowDown: (event) => step(1, event.shiftKey),
  ArrowUp: (event) => step(-1, event.shiftKey),
  j: () => step(1),
  k: () => step(-1),
  ArrowRight: () => leap(1),
  ArrowLeft: () => leap(-1),
  " ": toggle,
  x: toggle,
  n: newLabel,
  u: () => undo(null),
  t: toTeach,
  "+": () => coarser(-1),
  "=": () => coarser(-1),
  "-": () => coarser(1),
  0: () => decide("aside", null),
  Escape: letGo,
};

function pressed(event) {
  if (
    event.altKey ||
    event.ctrlKey ||
    event.metaKey ||
    document.querySelector("dialog[open]") ||
    /INPUT|TEXTAREA|SELECT/.test(event.target.tagName)
  )
    return;
  if (event.key === " " && event.target.tagName === "BUTTON") return;
  const label = /^[1-9]$/.test(event.key) ? desk.slots[event.key - 1] : undefined;
  const call =
    label === undefined
      ? KEYS[event.key] || KEYS[event.key.toLowerCase()]
      : () => decide("labelled", label);
  if (!call) return;
  call(event);
  event.preventDefault();
}
