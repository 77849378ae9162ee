// What the console has and what answers, as the server said last; and the head of the page that
// shows it.

import { complain } from "./said.js";
import { ask } from "./server.js";
import { plural } from "./words.js";

export let state = null;
let told = "";

export async function refresh() {
  state = await ask("/api/state");
  const name = state.answers.split("/").pop();
  const generation = state.generation === null ? "" : `, generation ${state.generation}`;
  const where = document.getElementById("answers");
  where.textContent = `${name}${generation}: ${plural(Object.keys(state.tasks).length, "task")}`;
  where.title = `${state.answers} (bundle ${state.bundle.slice(0, 12)})`;
  badge("waiting", state.counts ? state.counts.waiting : 0);
  if (state.trouble && state.trouble !== told)
    complain(`What is there now does not open, what answered goes on: ${state.trouble}`);
  told = state.trouble;
}

export function badge(id, count) {
  const node = document.getElementById(id);
  node.hidden = !count;
  node.textContent = count > 999 ? "999+" : String(count);
}
