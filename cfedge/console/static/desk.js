// What waits and what was decided: kept inputs in groups, labels, and the way back of each decision.

import { sure } from "./dialogs.js";
import { isolated } from "./node.js";
import { complain, doing, quiet, say } from "./said.js";
import { ask } from "./server.js";
import { refresh } from "./state.js";
import { plural } from "./words.js";

/** `at`: group, and input in it (-1: all of the group); `draw`: shows what became of it. */
export const desk = {
  groups: [],
  labelled: [],
  slots: [],
  undo: [],
  at: [0, -1],
  chosen: new Set(),
  from: null,
  alike: 0.6,
  offset: 0,
  counts: null,
  draw: () => {},
};

/** Where a group is entered: one of several at its head, a single input at itself. */
export const entry = (group) => (group && group.alone ? 0 : -1);

export async function load() {
  const found = await ask(`/api/review?alike=${desk.alike}&offset=${desk.offset}`);
  for (const group of found.groups) group.alone = group.numbers.length === 1;
  Object.assign(desk, {
    groups: found.groups,
    labelled: found.labelled,
    counts: found.counts,
    window: found.window,
    more: found.more_groups,
    chosen: new Set(),
    from: null,
  });
  for (const { label } of found.labelled) if (!desk.slots.includes(label)) desk.slots.push(label);
  desk.at = [0, entry(desk.groups[0])];
  desk.draw();
}

/** The numbers that a decision is about: what is selected, else the group or the input. */
export function meant() {
  if (desk.chosen.size) return [...desk.chosen];
  const group = desk.groups[desk.at[0]];
  if (!group) return [];
  return desk.at[1] < 0 ? group.numbers : [group.inputs[desk.at[1]].number];
}

let deciding = Promise.resolve();

/** Decide once what was decided before is done: of two keys the second is about what comes next. */
export function decide(to, label) {
  deciding = deciding.then(() => give(to, label)).catch((error) => complain(error.message));
}

export async function give(to, label) {
  const numbers = meant();
  if (!numbers.length) return;
  quiet();
  const found = await ask("/api/mark", {
    marks: numbers.map((one) => ({ number: one, state: to, label })),
  });
  if (label !== null && !desk.slots.includes(label)) desk.slots.push(label);
  desk.undo.push(found.before);
  moved(new Set(numbers), to, label, found.before);
  const what = label === null ? "set aside" : `labelled “${isolated(label.slice(0, 60))}”`;
  say(
    `${plural(numbers.length, "input")} ${what}${found.gone ? `; ${found.gone} were gone already` : ""}. U undoes it.`,
  );
}

function moved(numbers, to, label, before) {
  const taken = [];
  for (const group of desk.groups) {
    taken.push(...group.inputs.filter((one) => numbers.has(one.number)));
    group.inputs = group.inputs.filter((one) => !numbers.has(one.number));
    group.numbers = group.numbers.filter((one) => !numbers.has(one));
  }
  desk.counts.waiting -= before.length;
  desk.counts[to] += before.length;
  if (label !== null) {
    let one = desk.labelled.find((each) => each.label === label);
    if (!one) desk.labelled.push((one = { label, numbers: [], inputs: [] }));
    one.numbers.push(...before.map((each) => each.number));
    one.inputs = [...one.inputs, ...taken].slice(0, 3);
  }
  const gone = desk.groups.filter((group, at) => at < desk.at[0] && !group.numbers.length).length;
  desk.groups = desk.groups.filter((group) => group.numbers.length);
  const at = Math.min(desk.at[0] - gone, Math.max(0, desk.groups.length - 1));
  Object.assign(desk, { at: [at, entry(desk.groups[at])], chosen: new Set(), from: null });
  desk.draw();
  if (!desk.groups.length && desk.counts.waiting) load().catch((error) => complain(error.message));
}

export const undo = doing(async () => {
  const before = desk.undo.pop();
  if (!before) return;
  await ask("/api/mark", { marks: before });
  await load();
  say(`The decision about ${plural(before.length, "input")} is undone.`);
});

export async function erase(what, question) {
  if (!(await sure(question, "Erase"))) return;
  const found = await ask("/api/erase", what);
  desk.undo = [];
  await refresh();
  await load();
  say(`${plural(found.erased, "input")} erased.`);
}

/** Make groups larger and fewer, or the other way. */
export function coarser(by) {
  desk.alike = Math.min(1.2, Math.max(0.1, Math.round((desk.alike + 0.1 * by) * 10) / 10));
  load().catch((error) => complain(error.message));
}
