// Groups of alike inputs on the page, and where a person stands among them: by keys and by mouse.

import { desk, entry } from "./desk.js";
import { h, light, own } from "./node.js";
import { plural } from "./words.js";

/** Inputs of a group that are seen before it is opened. */
const FEW = 8;
const visible = (group) => (group.open ? group.inputs : group.inputs.slice(0, FEW));

/** The groups, and below a line of their own the inputs that nothing else is like: those are none. */
export function groupNodes() {
  const first = desk.groups.findIndex((group) => group.alone);
  const nodes = desk.groups.map(groupNode);
  if (first >= 0)
    nodes.splice(
      first,
      0,
      h("h2", { class: "by-itself" }, first ? "Like no other" : "No input is like another"),
    );
  return nodes;
}

function groupNode(group, at) {
  const name = group.alone
    ? "One input, like no other"
    : `Group ${at + 1}: ${plural(group.numbers.length, "input")}`;
  const pictures = group.inputs.length && group.inputs[0].picture;
  const shown = visible(group).map((one, item) => inputNode(one, at, item));
  return h(
    "section",
    {
      class: `group${group.alone ? " alone" : ""}${at === desk.at[0] ? " here" : ""}`,
      "data-group": at,
      "aria-label": name,
    },
    !group.alone && head(group, at),
    h("ul", { class: `inputs${pictures ? " pictures" : ""}` }, shown),
    rest(group, at, group.numbers.length - shown.length),
  );
}

function head(group, at) {
  const enter = () => {
    desk.at = [at, -1];
    mark();
  };
  return h(
    "div",
    { class: "head", tabindex: "-1", role: "button", "data-item": -1, onclick: enter },
    h("span", { class: "count" }, plural(group.numbers.length, "input")),
    group.suggested && h("span", { class: "soft" }, "about “", own(group.suggested), "”?"),
    h("span", { class: "soft small" }, nearest(group)),
  );
}

function inputNode(one, at, item) {
  const click = (event) => {
    desk.at = [at, item];
    if (event.shiftKey && desk.from && desk.from[0] === at) range();
    else toggle();
  };
  const what = one.picture
    ? h("img", {
        src: `/api/kept/${one.number}/picture`,
        alt: `kept picture ${one.number}`,
        loading: "lazy",
      })
    : h("span", { class: "words", dir: "auto" }, one.words);
  return h(
    "li",
    {
      tabindex: "-1",
      "data-item": item,
      "data-number": one.number,
      "data-chosen": String(desk.chosen.has(one.number)),
      onclick: click,
    },
    what,
    h("span", { class: "why" }, `${one.why}, nearest ${one.task} / `, own(one.answer)),
  );
}

function rest(group, at, hidden) {
  if (!hidden) return null;
  const show = () => {
    desk.at = [at, -1];
    open(group);
  };
  return h(
    "p",
    { class: "more" },
    `and ${hidden} more like these `,
    !group.open && group.inputs.length > FEW && light("show them", show),
  );
}

function nearest(group) {
  const counts = new Map();
  for (const one of group.inputs) counts.set(one.task, (counts.get(one.task) || 0) + 1);
  const [task] = [...counts].sort((a, b) => b[1] - a[1])[0] || [""];
  return task ? `nearest task: ${task}` : "";
}

export function focusHere() {
  const group = document.querySelector(`[data-group="${desk.at[0]}"]`);
  const node = group && group.querySelector(`[data-item="${desk.at[1]}"]`);
  if (!node) return;
  node.focus({ preventScroll: true });
  node.scrollIntoView({ block: "nearest" });
}

export function mark() {
  for (const node of document.querySelectorAll(".group"))
    node.classList.toggle("here", Number(node.dataset.group) === desk.at[0]);
  for (const node of document.querySelectorAll(".inputs li"))
    node.dataset.chosen = desk.chosen.has(Number(node.dataset.number));
  focusHere();
}

/** Select the input, or let it go. */
export function toggle() {
  const group = desk.groups[desk.at[0]];
  const one = group && group.inputs[desk.at[1]];
  if (!one) return;
  if (!desk.chosen.delete(one.number)) desk.chosen.add(one.number);
  desk.from = [...desk.at];
  mark();
}

/** Select from where the selection began to here. */
function range() {
  const [from, to] = [desk.from[1], desk.at[1]].sort((a, b) => a - b);
  for (const one of desk.groups[desk.at[0]].inputs.slice(Math.max(0, from), to + 1))
    desk.chosen.add(one.number);
  mark();
}

function open(group) {
  group.open = true;
  const at = desk.groups.indexOf(group);
  document.querySelector(`[data-group="${at}"]`).replaceWith(groupNode(group, at));
  mark();
}

/** Go to the next or the last input, selecting on the way or not. */
export function step(by, extend) {
  const group = desk.groups[desk.at[0]];
  if (!group) return;
  if (extend && !desk.from) desk.from = [desk.at[0], Math.max(0, desk.at[1])];
  const item = desk.at[1] + by;
  if (item >= FEW && item < group.inputs.length && !group.open) open(group);
  if (item >= entry(group) && item < group.inputs.length) desk.at = [desk.at[0], item];
  else if (!extend) return leap(by, by < 0);
  if (extend && desk.at[1] >= 0) return range();
  if (!extend) desk.from = null;
  mark();
}

/** Go to the next or the last group, to its head or its end. */
export function leap(by, toEnd) {
  const at = desk.at[0] + by;
  if (at < 0 || at >= desk.groups.length) return;
  desk.at = [at, toEnd ? visible(desk.groups[at]).length - 1 : entry(desk.groups[at])];
  desk.from = null;
  mark();
}
