// Tasks: what answers, and what is certified of it. A change is prepared, and switched on in Teach.

import { askName, sure } from "./dialogs.js";
import { box, chart, h, isolated, light, own, p, soft } from "./node.js";
import { doing } from "./said.js";
import { ask } from "./server.js";
import { refresh, state } from "./state.js";
import { figure, table } from "./table.js";
import { generations, travel } from "./travel.js";
import { page } from "./view.js";
import { bytes, percent, plural } from "./words.js";

export async function tasks() {
  const found = await ask("/api/tasks");
  await refresh();
  const can = found.workspace !== null;
  const only = can ? found.workspace.filter((name) => !(name in state.tasks)) : [];
  const taught = new Set(found.workspace || []);
  const gone = can ? found.tasks.filter((task) => !taught.has(task.name)) : [];
  page(
    h("h1", {}, "Tasks"),
    soft(
      `${plural(found.tasks.length, "task")} ${found.tasks.length === 1 ? "answers" : "answer"}, in ${bytes(found.bytes)}. `,
      can && "Every change is prepared beside what answers, and switched on in Teach.",
    ),
    chart(
      found.chart,
      "A dot is the share of held-out inputs that got a wrong answer. The bar ends at the certified limit: with 95% confidence, for all tasks together, no larger share is wrong.",
    ),
    table({
      label: "Tasks",
      caption: "What is certified of each task",
      columns: [
        "task",
        figure("wrong answers"),
        figure("wrong at most"),
        figure("to another task at most"),
        figure("size"),
        ...(can ? ["change"] : []),
      ],
      rows: found.tasks.map((task) => certified(task, can, taught)),
    }),
    only.length > 0 &&
      box(
        "note",
        p(
          `In the workspace, and not answering: ${only.join(", ")}. The next change that you switch on brings them along.`,
        ),
      ),
    gone.length > 0 &&
      box(
        "note",
        p(
          `Answering, and no more in the workspace: ${gone.map((task) => task.name).join(", ")}. The next change that you switch on takes them away.`,
        ),
      ),
    travel(found),
    found.generations && generations(found.generations, tasks),
  );
}

function certified(task, column, taught) {
  const can = taught.has(task.name);
  return [
    [task.name, classes(task, can)],
    figure(`${task.wrong} of ${task.held_out}`),
    figure(percent(task.wrong_answer_at_most)),
    figure(percent(task.wrong_task_at_most)),
    figure(bytes(task.bytes)),
    ...(column ? [can ? clicks(task.name, taught.size) : "no more in the workspace"] : []),
  ];
}

function clicks(name, count) {
  const question = `Prepare to remove ${name}? It answers until you switch that on.`;
  const remove = prepare({ kind: "remove", task: name }, question);
  return [
    light("rename", rename(name), { "aria-label": `rename ${name}` }),
    count > 1 && light("remove", remove, { "aria-label": `remove ${name}` }),
  ];
}

function classes(task, can) {
  const one = (label) =>
    h(
      "li",
      { class: can ? null : "plain" },
      own(label),
      can && [
        light("rename", rename(task.name, label), { "aria-label": `rename ${label}` }),
        task.labels.length > 1 &&
          light(
            "remove",
            prepare(
              { kind: "remove label", task: task.name, label },
              `Prepare to remove ${isolated(label)} from ${task.name}?`,
            ),
            { "aria-label": `remove ${label}` },
          ),
      ],
    );
  return h(
    "details",
    { class: "labels" },
    h("summary", {}, plural(task.labels.length, "class", "classes")),
    h("ul", { class: "chips" }, task.labels.map(one)),
  );
}

const prepare = (change, question) =>
  doing(async () => {
    if (!(await sure(question, "Prepare it"))) return;
    await begin(change);
  });

function rename(task, label) {
  const title = ["Another name for ", own(label || task)];
  return () =>
    askName(
      { id: "new-name", title, term: "Name", value: label || task, verb: "Prepare it" },
      (name) =>
        begin(
          label
            ? { kind: "rename label", task, label, new: name }
            : { kind: "rename", task, new: name },
        ),
    );
}

async function begin(change) {
  await ask("/api/teach", { change });
  location.hash = "#teach";
}
