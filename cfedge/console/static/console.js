// The console's page: asks the server, shows what it says, and sends what a person decides. Every string
// from outside becomes a node of letters; charts come escaped from the server. No rule of the method is here.
"use strict";

const main = document.getElementById("main");
const status = document.getElementById("status");
const trouble = document.getElementById("trouble");
let word = "";
let state = null;
let leave = () => {};

// -- small things ------------------------------------------------------------------------------

function h(name, attributes, ...inside) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value") node.value = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  for (const one of inside.flat(3)) if (one !== null && one !== undefined && one !== false) node.append(one);
  return node;
}

const page = (...inside) => main.replaceChildren(...inside.flat(3).filter((one) => one !== null && one !== undefined && one !== false));

const chart = (markup) => {
  const node = new DOMParser().parseFromString(markup, "text/html").body.firstElementChild;
  return h("div", { class: "picture", tabindex: "0" }, document.adoptNode(node));
};
// A label keeps its own direction, and what stands beside it the page's: as an element, and within text.
const own = (text) => h("bdi", {}, text);
const isolated = (text) => `\u2068${text}\u2069`;
const percent = (x, digits = 1) => (x === null || x === undefined ? "–" : `${(100 * x).toFixed(digits)}%`);
const plural = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many || one + "s"}`;
const bytes = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} MB` : `${(n / 1e3).toFixed(1)} kB`);
const ago = (s) => (s < 90 ? `${Math.round(s)} s` : s < 5400 ? `${Math.round(s / 60)} min` : s < 172800 ? `${Math.round(s / 3600)} h` : `${Math.round(s / 86400)} days`);

let fading = 0;
function say(message) {
  status.textContent = message;
  clearTimeout(fading);
  fading = setTimeout(() => { status.textContent = ""; }, 4000);
}
function complain(message) {
  trouble.replaceChildren(message, h("button", { type: "button", onclick: () => trouble.replaceChildren() }, "Close"));
}

async function ask(path, body, headers) {
  const options = { headers: { ...(headers || {}) } };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["x-cfedge-csrf"] = word;
    if (body instanceof Blob || typeof body === "string") options.body = body;
    else { options.body = JSON.stringify(body); options.headers["content-type"] = "application/json"; }
  }
  let answer;
  try { answer = await fetch(path, options); } catch { throw new Error("the console does not answer: is it still running?"); }
  const found = await answer.json().catch(() => ({ error: `status ${answer.status}` }));
  if (answer.status === 401 && path !== "/api/login" && path !== "/api/word") { logIn("The session ended: give the key again."); }
  if (!answer.ok) throw Object.assign(new Error(found.error), { status: answer.status });
  return found;
}

/** Run what a person asked for; what goes wrong is shown, and the button waits meanwhile. */
const doing = (call) => async (event) => {
  const button = event && event.currentTarget && event.currentTarget.tagName === "BUTTON" ? event.currentTarget : null;
  if (event) event.preventDefault();
  if (button) button.disabled = true;
  trouble.replaceChildren();
  try { await call(event); } catch (error) { complain(error.message); } finally { if (button) button.disabled = false; }
};

// -- who asks ----------------------------------------------------------------------------------

function logIn(why) {
  leave(); leave = () => {};
  document.getElementById("nav").hidden = true;
  const field = h("input", { type: "password", id: "key", autocomplete: "off", spellcheck: "false", required: true });
  page(h("form", { class: "login card", onsubmit: doing(async () => { await enter(field.value); }) },
    h("h1", {}, "Give the key"),
    h("p", { class: "soft" }, why || "cfedge console printed it when it started. The link that it printed has it, too."),
    h("div", { class: "row" }, h("label", { for: "key" }, "Key"), h("div", { class: "grow" }, field)),
    h("button", { class: "go" }, "Open the console")));
  field.focus();
}

async function enter(key) {
  word = (await ask("/api/login", key)).word;
  await begin();
}

async function begin() {
  await refresh();
  document.getElementById("nav").hidden = false;
  document.getElementById("keys-button").hidden = false;
  show();
}

async function refresh() {
  state = await ask("/api/state");
  const name = state.answers.split("/").pop();
  const generation = state.generation === null ? "" : `, generation ${state.generation}`;
  const where = document.getElementById("answers");
  where.textContent = `${name}${generation}: ${plural(Object.keys(state.tasks).length, "task")}`;
  where.title = `${state.answers} (bundle ${state.bundle.slice(0, 12)})`;
  badge("waiting", state.counts ? state.counts.waiting : 0);
  if (state.trouble) complain(`What is there now does not open, what answered goes on: ${state.trouble}`);
}

function badge(id, count) {
  const node = document.getElementById(id);
  node.hidden = !count;
  node.textContent = count > 999 ? "999+" : String(count);
}

const views = { try: tryIt, review, teach, tasks, watch };

function show() {
  const name = location.hash.slice(1) in views ? location.hash.slice(1) : "try";
  leave(); leave = () => {};
  trouble.replaceChildren();
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · cfedge console`;
  Promise.resolve(views[name]()).catch((error) => complain(error.message));
}

// -- Try ---------------------------------------------------------------------------------------

function tryIt() {
  const results = h("div", { class: "tried", "aria-live": "polite" });
  const isPicture = Boolean(state.media);
  const answer = async (body, headers, picture) => {
    const found = await ask("/api/try", body, headers);
    found.answers.forEach((one, at) => results.prepend(verdict(one, found.names[at], found, picture)));
    while (results.children.length > 12) results.lastChild.remove();
    found.alarms.forEach(complain);
    if (found.bundle !== state.bundle) await refresh();
  };
  const field = h("textarea", { id: "input", placeholder: state.written ? state.example : JSON.stringify({ [state.kind]: state.example }), rows: 3 });
  const asJson = h("input", { type: "checkbox", id: "json", checked: !state.written });
  const send = doing(async () => {
    const typed = field.value;
    if (!typed.trim()) { field.focus(); return; }
    await answer(asJson.checked ? typed : JSON.stringify({ [state.kind]: typed }), { "content-type": "application/json" });
    field.select();
  });
  field.addEventListener("keydown", (event) => { if (event.key === "Enter" && !event.shiftKey && !asJson.checked) send(event); });
  const files = doing(async (event) => {
    const given = [...(event.dataTransfer ? event.dataTransfer.files : event.target.files)], faults = [];
    if (!event.dataTransfer) event.target.value = ""; // so that the same file may be chosen again
    for (const file of given.slice(0, 100)) {
      try {
        if (file.size > state.body_bytes) throw new Error(`expected at most ${bytes(state.body_bytes)}, found ${bytes(file.size)}; shrink the picture`);
        await answer(file, { "content-type": file.type.startsWith(state.media) ? file.type : `${state.media}unknown` }, file);
      } catch (error) { faults.push(`${isolated(file.name.slice(0, 80))}: ${error.message}`); }
    }
    if (given.length > 100) faults.unshift(`${given.length - 100} files were left out: expected at most 100 at once; give them afterwards`);
    if (faults.length > 3) faults.splice(3, faults.length, `${faults.length - 3} more could not be answered`);
    if (faults.length) throw new Error(faults.join("\n"));
  });
  const drop = isPicture && h("div", { class: "drop", ondragover: (e) => { e.preventDefault(); drop.classList.add("over"); },
    ondragleave: () => drop.classList.remove("over"), ondrop: (e) => { drop.classList.remove("over"); files(e); } },
    h("p", {}, "Drop pictures here, or ", h("label", { for: "files" }, "choose them"), ": ",
      h("input", { type: "file", id: "files", multiple: true, accept: "image/*", onchange: files })));
  page(h("h1", {}, "Try"),
    h("p", { class: "soft" }, `Ask what a device would be asked. ${state.keeps ? "What is not known is kept for Review." : "Nothing is kept: --keep DIR switches that on."}`),
    drop,
    h("form", { onsubmit: send },
      h("div", { class: "row" }, h("label", { for: "input" }, state.written ? "An input" : isPicture ? "Or JSON" : "JSON"), h("div", { class: "grow" }, field)),
      h("div", { class: "row" }, h("button", { class: "go" }, "Answer"), h("label", { class: "inline" }, asJson, "It is JSON, as POST /predict takes it"))),
    results);
  field.focus();
}

function verdict(one, name, found, picture) {
  const tail = [];
  const add = (term, ...what) => tail.push(h("dt", {}, term), h("dd", {}, ...what));
  if (!one.unknown) add("evidence", h("meter", { min: 0, max: 1, value: one.probability, "aria-label": "probability that the answer is right" }), ` ${percent(one.probability)}${one.probability < .5 ? ", not sure" : ""}: task and label are right, if the input is of one of the tasks`);
  if (one.runner_up) add("runner-up", `${one.runner_up}, ${one.margin.toFixed(1)} behind${one.stages > 2 ? ": close even at the third comparison" : one.stages > 1 ? ": compared a second time" : ""}`);
  if (one.reason) add("why unknown", one.reason); else add("known", `out-of-distribution score ${one.ood_score.toFixed(1)}, below the task's threshold`);
  add("promise", `of inputs like the held-out ones, at most ${percent(one.wrong_answer_at_most)} get a wrong answer, and at most ${percent(one.wrong_task_at_most)} go to the wrong task`);
  if (one.truncated) add("note", "it is longer than the encoder reads; the end was ignored");
  const map = found.map && h("details", {}, h("summary", {}, "Where it lies among the classes"), h("figure", {}, chart(found.map),
    h("figcaption", {}, `The ring is this input, among the classes that say most for it. Of each class's nearest classes ${percent(found.map_shows, 0)} are its nearest here, too: trust what lies close together more than what lies far apart.`)));
  let image = null;
  if (picture) { const url = URL.createObjectURL(picture); image = h("img", { src: url, alt: picture.name.slice(0, 100), onload: () => URL.revokeObjectURL(url) }); }
  return h("article", { class: "card" }, image, h("p", { class: "soft small", dir: "auto" }, picture ? picture.name.slice(0, 200) : name),
    h("p", { class: "verdict" }, one.unknown ? h("span", { class: "tag bad" }, "unknown") : h("span", { class: "tag good" }, "known"), " ",
      h("span", { class: "of" }, one.unknown ? "nearest: " : one.probability < .5 ? "not sure: " : "", `${one.task} / `), own(one.label)),
    h("dl", { class: "evidence" }, tail), map);
}

// -- Review ------------------------------------------------------------------------------------

const desk = { groups: [], labelled: [], slots: [], undo: [], at: [0, -1], chosen: new Set(), from: null, alike: 0.6, offset: 0, counts: null };

async function review() {
  if (!state.keeps) {
    page(h("h1", {}, "Review"), h("div", { class: "empty" }, h("p", {}, "Nothing is kept, as nobody asked for it."),
      h("p", {}, "To keep what is not known, encrypted and on this machine alone, start with ", h("code", {}, "--keep DIR"), ": here, and with ", h("code", {}, "cfedge serve"), " or ", h("code", {}, "cfedge predict"), ".")));
    return;
  }
  page(h("h1", {}, "Review"), h("p", { class: "soft" }, "Grouping what is waiting …"));
  document.addEventListener("keydown", reviewKeys);
  leave = () => document.removeEventListener("keydown", reviewKeys);
  await load();
}

async function load() {
  const found = await ask(`/api/review?alike=${desk.alike}&offset=${desk.offset}`);
  for (const group of found.groups) group.alone = group.numbers.length === 1;
  Object.assign(desk, { groups: found.groups, labelled: found.labelled, counts: found.counts, window: found.window, more: found.more_groups, chosen: new Set(), from: null });
  for (const { label } of found.labelled) if (!desk.slots.includes(label)) desk.slots.push(label);
  desk.at = [0, -1];
  draw();
}

function draw() {
  if (location.hash !== "#review") return;
  const counts = desk.counts;
  badge("waiting", counts.waiting);
  const labelled = desk.labelled.reduce((sum, one) => sum + one.numbers.length, 0);
  const slots = h("div", { class: "slots", role: "group", "aria-label": "Labels" },
    desk.slots.slice(0, 9).map((label, at) => h("button", { type: "button", class: "slot", title: label, onclick: () => decide("labelled", label) },
      h("kbd", {}, String(at + 1)), h("span", {}, label), h("span", { class: "n" }, String((desk.labelled.find((one) => one.label === label) || { numbers: [] }).numbers.length)))),
    h("button", { type: "button", class: "slot", onclick: newLabel }, h("kbd", {}, "N"), h("span", {}, "new label")),
    h("button", { type: "button", class: "slot", onclick: () => decide("aside", null) }, h("kbd", {}, "0"), h("span", {}, "set aside")),
    h("button", { type: "button", class: "slot", onclick: undo, disabled: !desk.undo.length }, h("kbd", {}, "U"), h("span", {}, "undo")),
    labelled > 0 && h("button", { type: "button", class: "go", onclick: () => { location.hash = "#teach"; } }, `Teach ${plural(labelled, "input")} `, h("kbd", {}, "T")));
  const many = counts.waiting > desk.window;
  page(h("h1", {}, "Review"),
    h("p", { class: "soft" }, counts.waiting ? `${plural(counts.waiting, "input")} waiting. Inputs that are alike stand in a group: one decision each. ${many ? `Shown: ${desk.window.toLocaleString("en")} of them.` : ""}` : "",
      counts.aside ? ` ${plural(counts.aside, "input")} set aside.` : "", counts.taught ? ` ${counts.taught} taught.` : ""),
    h("div", { class: "row small" }, "Groups: ", h("button", { type: "button", class: "quiet", onclick: () => coarser(1) }, "larger ", h("kbd", {}, "-")), h("button", { type: "button", class: "quiet", onclick: () => coarser(-1) }, "smaller ", h("kbd", {}, "+")),
      many && h("button", { type: "button", class: "quiet", onclick: doing(() => { desk.offset = desk.offset + desk.window < counts.waiting ? desk.offset + desk.window : 0; return load(); }) }, "the next ones"),
      h("span", { class: "grow" }), counts.aside > 0 && h("button", { type: "button", class: "quiet", onclick: doing(() => erase({ state: "aside" }, `Erase the ${plural(counts.aside, "input")} set aside? This cannot be undone.`)) }, "Erase what is set aside"),
      h("button", { type: "button", class: "quiet", onclick: doing(() => erase({ all: true }, "Erase all kept inputs, labelled ones too? This cannot be undone.")) }, "Erase all")),
    slots,
    desk.groups.length ? h("div", { id: "groups" }, groupNodes(), desk.more > 0 && h("p", { class: "soft" }, `${desk.more} more, groups and single inputs, come after these.`))
      : h("div", { class: "empty" }, h("p", {}, counts.waiting ? "These are decided; more are waiting." : "Nothing is waiting."), counts.waiting ? h("button", { type: "button", onclick: doing(load) }, "Show them") : h("p", {}, labelled ? "Go on to Teach with what has labels." : "What is not known comes here as it is met.")));
  focusHere();
}

const FEW = 8;
const visible = (group) => (group.open ? group.inputs : group.inputs.slice(0, FEW));

/** The groups, and below a line of their own the inputs that nothing else is like: those are none. */
function groupNodes() {
  const first = desk.groups.findIndex((group) => group.alone), nodes = desk.groups.map(groupNode);
  if (first >= 0) nodes.splice(first, 0, h("h2", { class: "by-itself" }, first ? "Like no other" : "No input is like another"));
  return nodes;
}

function groupNode(group, at) {
  const pictures = group.inputs.length && group.inputs[0].picture;
  const shown = visible(group), hidden = group.numbers.length - shown.length;
  return h("section", { class: `group${at === desk.at[0] ? " here" : ""}`, "data-group": at, "aria-label": group.alone ? "One input, like no other" : `Group ${at + 1}: ${plural(group.numbers.length, "input")}` },
    h("div", { class: "head", tabindex: "-1", role: "button", "data-item": -1, onclick: () => { desk.at = [at, -1]; mark(); } },
      !group.alone && h("span", { class: "count" }, plural(group.numbers.length, "input")), group.suggested && h("span", { class: "soft" }, "about “", own(group.suggested), "”?"), h("span", { class: "soft small" }, nearest(group))),
    h("ul", { class: `inputs${pictures ? " pictures" : ""}` }, shown.map((one, item) => h("li", { tabindex: "-1", "data-item": item, "data-number": one.number, "data-chosen": desk.chosen.has(one.number),
      onclick: (event) => { if (event.shiftKey && desk.from && desk.from[0] === at) { desk.at = [at, item]; range(); } else { desk.at = [at, item]; toggle(); } } },
      one.picture ? h("img", { src: `/api/kept/${one.number}/picture`, alt: `kept picture ${one.number}`, loading: "lazy" }) : h("span", { class: "words", dir: "auto" }, one.words),
      h("span", { class: "why" }, `${one.why}, nearest ${one.task} / `, own(one.answer))))),
    hidden > 0 && h("p", { class: "more" }, `and ${hidden} more like these `, !group.open && group.inputs.length > FEW && h("button", { type: "button", class: "quiet", onclick: () => { desk.at = [at, -1]; open(group); } }, "show them")));
}

function nearest(group) {
  const counts = new Map();
  for (const one of group.inputs) counts.set(one.task, (counts.get(one.task) || 0) + 1);
  const [task] = [...counts].sort((a, b) => b[1] - a[1])[0] || [""];
  return task ? `nearest task: ${task}` : "";
}

function here() {
  const group = document.querySelector(`[data-group="${desk.at[0]}"]`);
  return group && group.querySelector(`[data-item="${desk.at[1]}"]`);
}
function focusHere() { const node = here(); if (node) { node.focus({ preventScroll: true }); node.scrollIntoView({ block: "nearest" }); } }
function mark() {
  for (const node of document.querySelectorAll(".group")) node.classList.toggle("here", Number(node.dataset.group) === desk.at[0]);
  for (const node of document.querySelectorAll(".inputs li")) node.dataset.chosen = desk.chosen.has(Number(node.dataset.number));
  focusHere();
}
function number() { const group = desk.groups[desk.at[0]]; const one = group && group.inputs[desk.at[1]]; return one && one.number; }
function toggle() { const one = number(); if (one === undefined) return; if (!desk.chosen.delete(one)) desk.chosen.add(one); desk.from = [...desk.at]; mark(); }
function range() {
  const group = desk.groups[desk.at[0]], ends = [desk.from[1], desk.at[1]].sort((a, b) => a - b);
  for (let item = Math.max(0, ends[0]); item <= ends[1]; item++) desk.chosen.add(group.inputs[item].number);
  mark();
}
function open(group) {
  group.open = true;
  const at = desk.groups.indexOf(group);
  document.querySelector(`[data-group="${at}"]`).replaceWith(groupNode(group, at));
  mark();
}
function step(by, extend) {
  const group = desk.groups[desk.at[0]];
  if (!group) return;
  if (extend && !desk.from) desk.from = [desk.at[0], Math.max(0, desk.at[1])];
  const item = desk.at[1] + by;
  if (item >= FEW && item < group.inputs.length && !group.open) open(group);
  if (item >= -1 && item < group.inputs.length) desk.at = [desk.at[0], item];
  else if (!extend) { leap(by, by < 0); return; }
  if (extend && desk.at[1] >= 0) range(); else { if (!extend) desk.from = null; mark(); }
}
function leap(by, toEnd) {
  const at = desk.at[0] + by;
  if (at < 0 || at >= desk.groups.length) return;
  desk.at = [at, toEnd ? visible(desk.groups[at]).length - 1 : -1];
  desk.from = null;
  mark();
}
function meant() {
  if (desk.chosen.size) return [...desk.chosen];
  const group = desk.groups[desk.at[0]];
  if (!group) return [];
  return desk.at[1] < 0 ? group.numbers : [group.inputs[desk.at[1]].number];
}

const decide = (to, label) => give(to, label).catch((error) => complain(error.message));

async function give(to, label) {
  const numbers = meant();
  if (!numbers.length) return;
  trouble.replaceChildren();
  const found = await ask("/api/mark", { marks: numbers.map((one) => ({ number: one, state: to, label })) });
  if (label !== null && !desk.slots.includes(label)) desk.slots.push(label);
  desk.undo.push(found.before);
  moved(new Set(numbers), to, label, found.before);
  say(`${plural(numbers.length, "input")} ${label === null ? "set aside" : `labelled “${isolated(label.slice(0, 60))}”`}${found.gone ? `; ${found.gone} were gone already` : ""}. U undoes it.`);
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
    if (!one) desk.labelled.push(one = { label, numbers: [], inputs: [] });
    one.numbers.push(...before.map((each) => each.number));
    one.inputs = [...one.inputs, ...taken].slice(0, 3);
  }
  const empty = desk.groups.filter((group, at) => at < desk.at[0] && !group.numbers.length).length;
  desk.groups = desk.groups.filter((group) => group.numbers.length);
  desk.at = [Math.min(desk.at[0] - empty, Math.max(0, desk.groups.length - 1)), -1];
  desk.chosen = new Set();
  desk.from = null;
  draw();
  if (!desk.groups.length && desk.counts.waiting) load().catch((error) => complain(error.message));
}

const undo = doing(async () => {
  const before = desk.undo.pop();
  if (!before) return;
  await ask("/api/mark", { marks: before });
  await load();
  say(`The decision about ${plural(before.length, "input")} is undone.`);
});

function newLabel() {
  const numbers = meant();
  if (!numbers.length) return;
  const group = desk.groups[desk.at[0]];
  askName({ id: "new-label", title: [`A label for ${plural(numbers.length, "input")}`], term: "Label", value: (group && group.suggested) || "", verb: "Give it", then: focusHere },
    (label) => give("labelled", label));
}

/** Ask for a name in a dialog; what was typed stays there until it was taken. */
function askName({ id, title, term, value, verb, then }, call) {
  const field = h("input", { type: "text", id, value });
  const fault = h("p", { class: "fault", role: "alert" });
  const take = async (event) => {
    event.preventDefault();
    const name = field.value.trim();
    if (!name) return;
    try { await call(name); dialog.close(); } catch (error) { fault.textContent = error.message; field.focus(); }
  };
  const dialog = h("dialog", { "aria-labelledby": `${id}-title` }, h("form", { onsubmit: take },
    h("h2", { id: `${id}-title` }, title), h("label", { for: id }, term), field, fault,
    h("div", { class: "row" }, h("button", { class: "go" }, verb), h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
  dialog.addEventListener("close", () => { dialog.remove(); if (then) then(); });
  document.body.append(dialog);
  dialog.showModal();
  field.select();
}

async function erase(what, question) {
  if (!(await sure(question, "Erase"))) return;
  const found = await ask("/api/erase", what);
  desk.undo = [];
  await refresh();
  await load();
  say(`${plural(found.erased, "input")} erased.`);
}
const coarser = (by) => { desk.alike = Math.min(1.2, Math.max(0.1, Math.round((desk.alike + 0.1 * by) * 10) / 10)); load().catch((error) => complain(error.message)); };

function reviewKeys(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]") || /INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) return;
  const digit = Number(event.key);
  const calls = {
    ArrowDown: () => step(1, event.shiftKey), ArrowUp: () => step(-1, event.shiftKey), j: () => step(1), k: () => step(-1),
    ArrowRight: () => leap(1), ArrowLeft: () => leap(-1), " ": toggle, x: toggle, n: newLabel, u: () => undo(null), t: () => { location.hash = "#teach"; },
    "+": () => coarser(-1), "=": () => coarser(-1), "-": () => coarser(1), 0: () => decide("aside", null), Escape: () => { desk.chosen = new Set(); desk.from = null; mark(); },
  };
  if (digit >= 1 && digit <= 9) { if (desk.slots[digit - 1] !== undefined) decide("labelled", desk.slots[digit - 1]); }
  else if (event.key === " " && event.target.tagName === "BUTTON") return;
  else if (calls[event.key] || calls[event.key.toLowerCase()]) (calls[event.key] || calls[event.key.toLowerCase()])();
  else return;
  event.preventDefault();
}

function sure(question, verb) {
  return new Promise((resolve) => {
    let answer = false;
    const dialog = h("dialog", { "aria-labelledby": "sure-title" }, h("h2", { id: "sure-title" }, question),
      h("div", { class: "row" }, h("button", { type: "button", class: "danger", onclick: () => { answer = true; dialog.close(); } }, verb), h("button", { type: "button", onclick: () => dialog.close(), autofocus: true }, "Cancel")));
    dialog.addEventListener("close", () => { dialog.remove(); resolve(answer); });
    document.body.append(dialog);
    dialog.showModal();
  });
}

// -- Teach -------------------------------------------------------------------------------------

async function teach() {
  const top = h("div", {}), list = h("div", { id: "jobs" });
  page(h("h1", {}, "Teach"), top, list);
  if (!state.workspace) {
    top.append(h("div", { class: "empty" }, h("p", {}, "There is no workspace here, so nothing is taught."), h("p", {}, "Start with ", h("code", {}, "cfedge console BUNDLE WS"), ".")));
    return;
  }
  if (state.keeps) await teachForm(top); else top.append(h("p", { class: "soft" }, "Inputs to teach come from Review, which needs --keep DIR."));
  let on = true, timer = 0, seen = "";
  leave = () => { on = false; clearTimeout(timer); };
  const look = async () => {
    const found = await ask("/api/jobs");
    badge("working", found.jobs.filter((job) => job.state === "working" || job.state === "ready").length);
    if (!on) return;
    const now = JSON.stringify(found);
    if (now !== seen) { seen = now; drawJobs(list, found, look); }
    timer = setTimeout(() => look().catch((error) => complain(error.message)), found.jobs.some((job) => job.state === "working") ? 700 : 4000);
  };
  teach.pause = () => clearTimeout(timer);
  teach.look = () => { clearTimeout(timer); return look(); };
  await look();
}

async function teachForm(top) {
  const found = await ask("/api/review?alike=0.6&offset=0&labelled=1");
  const numbers = found.labelled.flatMap((one) => one.numbers);
  if (!numbers.length) {
    top.replaceChildren(h("div", { class: "empty" }, h("p", {}, "Nothing has a label yet."), h("p", {}, "Give labels in ", h("a", { href: "#review" }, "Review"), "; then they become a task here.")));
    return;
  }
  const known = Object.keys(state.tasks);
  const name = h("input", { type: "text", id: "task", class: "short", autocomplete: "off", spellcheck: "false", placeholder: "garden" });
  const old = h("select", { id: "old", class: "short" }, known.map((task) => h("option", { value: task }, task)));
  const radio = (group, value, checked, ...said) => h("label", { class: "inline" }, h("input", { type: "radio", name: group, value, checked }), h("span", {}, ...said));
  const form = h("form", { class: "card strong", onsubmit: doing(async () => {
    const isNew = form.elements.kind.value === "new task";
    if (isNew && !name.value.trim()) { name.focus(); throw new Error("The new task needs a name: lower-case letters, digits, - and _."); }
    await ask("/api/teach", { change: { kind: form.elements.kind.value, task: isNew ? name.value.trim() : old.value, method: isNew ? form.elements.method.value : "closed-form" }, numbers });
    say("It is being taught. You may close this page: it goes on.");
    await teach.look();
  }) },
  h("h2", {}, `${plural(numbers.length, "input")} with ${plural(found.labelled.length, "label")}`),
  h("ul", { class: "chips" }, found.labelled.map((one) => h("li", { title: one.inputs.map((each) => each.words).join("\n") }, own(one.label.slice(0, 120)), ` · ${one.numbers.length} `,
    h("button", { type: "button", class: "quiet", "aria-label": `put back: ${one.label.slice(0, 60)}`, onclick: doing(async () => { await ask("/api/mark", { marks: one.numbers.map((each) => ({ number: each, state: "waiting", label: null })) }); await teachForm(top); }) }, "put back")))),
  h("fieldset", {}, h("legend", {}, "They become"),
    h("div", { class: "row" }, radio("kind", "new task", true, "a new task"), h("label", { for: "task" }, "called"), name),
    known.length > 0 && h("div", { class: "row" }, radio("kind", "more", false, "more examples, or new classes,"), h("label", { for: "old" }, "of the task"), old)),
  h("fieldset", {}, h("legend", {}, "A new task is learned"), radio("method", "closed-form", true, "in seconds: a closed form"),
    state.torch ? radio("method", "adapter", false, "in minutes: an adapter, mostly more accurate") : h("p", { class: "soft small" }, "torch is not installed here, so there is the closed form alone; an adapter needs a workshop.")),
  h("div", { class: "row" }, h("button", { class: "go" }, "Teach"), h("span", { class: "soft small" }, "Nothing that answers changes until you switch it on.")));
  old.addEventListener("focus", () => { form.elements.kind.value = "more"; });
  name.addEventListener("focus", () => { form.elements.kind.value = "new task"; });
  top.replaceChildren(form);
  name.focus();
}

function drawJobs(list, found, look) {
  const last = found.jobs.find((job) => job.state === "answers");
  list.replaceChildren(...(found.jobs.length ? [h("h2", {}, "What was taught")] : []), ...found.jobs.map((job) => jobNode(job, found, job === last, look)));
}

const STATES = { working: ["at work", "soft"], ready: ["ready: not answering yet", "soft"], failed: ["failed", "bad"], answers: ["answers", "good"], "taken back": ["taken back", "soft"], dropped: ["dropped", "soft"] };

function jobNode(job, found, isLast, look) {
  const [name, kind] = STATES[job.state] || [job.state, "soft"];
  const call = (what) => doing(async () => { teach.pause(); const done = await ask(`/api/jobs/${job.name}/${what}`, {}); if (done.note) complain(done.note); await refresh(); await look(); if (what !== "drop") say(what === "activate" ? "It answers now. One click takes it back." : "What was before answers again."); });
  const inside = [];
  if (job.state === "working") inside.push(progressNode(job), h("button", { type: "button", class: "quiet", onclick: call("drop") }, "Stop"));
  if (job.result.error) inside.push(h("div", { class: "alarm" }, h("p", {}, job.result.error)));
  if (job.result.rows && job.state !== "dropped") inside.push(...result(job));
  if (job.state === "ready") inside.push(h("div", { class: "row" },
    h("button", { type: "button", class: job.result.worse ? "danger" : "go", disabled: Boolean(found.cannot_activate), onclick: call("activate") }, job.result.worse ? "Switch it on all the same" : "Switch it on"),
    h("button", { type: "button", onclick: call("drop") }, "Drop it"), found.cannot_activate && h("span", { class: "soft small" }, found.cannot_activate)));
  if (job.state === "answers" && isLast) inside.push(h("div", { class: "row" }, h("button", { type: "button", onclick: call("rollback") }, "Go back to what was before")));
  return h("article", { class: `card${job.state === "ready" ? " strong" : ""}`, "data-job": job.name, "data-state": job.state }, h("div", { class: "row" }, h("h3", { class: "grow" }, job.request.heading), h("span", { class: `tag ${kind}` }, name), h("span", { class: "soft small" }, `${ago(Date.now() / 1000 - job.request.begun)} ago`)), inside);
}

function progressNode(job) {
  const { stage, done, total, left_s: left } = job.progress;
  const label = stage ? `${stage}${left !== null && left !== undefined ? `: about ${ago(left)} left` : ""}` : "beginning";
  return h("div", {}, h("p", { class: "soft small" }, label), h("progress", stage ? { max: total || 1, value: done || 0, "aria-label": label } : { "aria-label": label }));
}

function result(job) {
  const { rows, worse, outlook, advice } = job.result;
  const figure = (one) => (one ? `${one.right} of ${one.held_out}` : "–");
  const share = (one) => (one ? percent(one.right / Math.max(1, one.held_out)) : "–");
  const bad = rows.filter((row) => row.worse.length);
  const shown = rows.length > 12 ? rows.filter((row) => row.changed || row.worse.length) : rows;
  const parts = [worse
    ? h("div", { class: "alarm" }, h("p", {}, h("b", {}, `${plural(bad.length, "task")} would become worse. `)), bad.map((row) => h("p", {}, `${row.task}: ${row.worse.join("; ")}`)))
    : h("div", { class: "note fine" }, h("p", {}, h("b", {}, "Nothing becomes worse"), " on the held-out inputs of any task.")),
  h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Before and after" }, h("table", { class: "compare" },
    h("caption", {}, "Right task and label, on held-out inputs, with all tasks together"),
    h("thead", {}, h("tr", {}, ["task", "before", "after", "share", "at most wrong, before", "after"].map((name, at) => h("th", { scope: "col", class: at ? "number" : null }, name)))),
    h("tbody", {}, shown.map((row) => h("tr", { class: row.changed ? "changed" : null }, h("th", { scope: "row" }, `${row.task} `, row.changed ? h("span", { class: "tag soft" }, row.before ? "changed" : "new") : ""),
      h("td", { class: "number" }, figure(row.before)), h("td", { class: `number${row.worse.some((one) => !one.startsWith("limit")) ? " worse" : ""}` }, figure(row.after)), h("td", { class: "number" }, row.after ? share(row.after) : "gone"),
      h("td", { class: "number" }, row.before ? percent(row.before.wrong_answer_at_most) : "–"), h("td", { class: `number${row.worse.some((one) => one.startsWith("limit")) ? " worse" : ""}` }, row.after ? percent(row.after.wrong_answer_at_most) : "–")))))),
  rows.length > shown.length && h("p", { class: "soft small" }, `${rows.length - shown.length} other tasks are as good as they were.`),
  h("p", { class: "small" }, job.result.task_bytes ? `The task takes ${bytes(job.result.task_bytes)}; ` : "", `the bundle ${bytes(job.result.bytes)}. `, job.result.method ? `Learned ${job.result.method === "adapter" ? "with an adapter" : "in closed form"} in ${ago(job.result.seconds)}.` : `Made in ${ago(job.result.seconds)}.`)];
  if (outlook) parts.push(h("div", { class: "note" }, h("p", {}, h("b", {}, "How many more? "), more(outlook))));
  if (advice && advice.length) parts.push(h("details", {}, h("summary", {}, plural(advice.length, "thing") + " to know"), h("ul", {}, advice.map((line) => h("li", {}, line)))));
  return parts;
}

function more(outlook) {
  const last = outlook.points[outlook.points.length - 1], between = `between ${percent(outlook.low)} and ${percent(outlook.high)}`;
  const now = `With ${last.examples} examples ${percent(last.error)} of the held-out inputs get a wrong label, the task known. `;
  if (outlook.error > last.error - 0.005) return `${now}More would bring little: with ${outlook.examples} it would be ${between}.`;
  return `${now}With ${outlook.examples} it would be about ${percent(outlook.error)}, ${between}.`;
}

// -- Tasks -------------------------------------------------------------------------------------

async function tasks() {
  const found = await ask("/api/tasks");
  await refresh();
  const change = (body, question) => doing(async () => {
    if (question && !(await sure(question, "Prepare it"))) return;
    await ask("/api/teach", { change: body });
    location.hash = "#teach";
  });
  const rename = (task, label) => () => askName({ id: "new-name", title: ["Another name for ", own(label || task)], term: "Name", value: label || task, verb: "Prepare it" }, async (name) => {
    await ask("/api/teach", { change: label ? { kind: "rename label", task, label, new: name } : { kind: "rename", task, new: name } });
    location.hash = "#teach";
  });
  const can = found.workspace !== null;
  const only = can ? found.workspace.filter((name) => !(name in state.tasks)) : [];
  page(h("h1", {}, "Tasks"), h("p", { class: "soft" }, `${plural(found.tasks.length, "task")} answer, in ${bytes(found.bytes)}. Every change is prepared beside them and switched on in Teach.`),
    h("figure", {}, chart(found.chart), h("figcaption", {}, "What was measured on each task's held-out inputs, and the certified limit: with 95% confidence for all tasks together, no more answers are wrong.")),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Tasks" }, h("table", { class: "compare" }, h("caption", {}, "What is certified"),
      h("thead", {}, h("tr", {}, ["task", "wrong", "at most", "to another task, at most", "bytes", "what to do"].map((name, at) => h("th", { scope: "col", class: at && at < 5 ? "number" : null }, name)))),
      h("tbody", {}, found.tasks.map((task) => h("tr", {}, h("th", { scope: "row" }, task.name, h("details", { class: "labels" }, h("summary", {}, plural(task.labels.length, "class", "classes")),
        h("ul", { class: "chips" }, task.labels.map((label) => h("li", { class: can ? null : "plain" }, label, can && [h("button", { type: "button", class: "quiet", "aria-label": `rename ${label}`, onclick: rename(task.name, label) }, "rename"), task.labels.length > 1 && h("button", { type: "button", class: "quiet", "aria-label": `remove ${label}`, onclick: change({ kind: "remove label", task: task.name, label }, `Prepare to remove ${isolated(label)} from ${task.name}?`) }, "remove")]))))),
        h("td", { class: "number" }, `${task.wrong} of ${task.held_out}`), h("td", { class: "number" }, percent(task.wrong_answer_at_most)), h("td", { class: "number" }, percent(task.wrong_task_at_most)), h("td", { class: "number" }, bytes(task.bytes)),
        h("td", {}, can && [h("button", { type: "button", class: "quiet", "aria-label": `rename ${task.name}`, onclick: rename(task.name) }, "rename"), found.tasks.length > 1 && h("button", { type: "button", class: "quiet", "aria-label": `remove ${task.name}`, onclick: change({ kind: "remove", task: task.name }, `Prepare to remove ${task.name}? It answers until you switch that on.`) }, "remove")])))))),
    only.length > 0 && h("div", { class: "note" }, h("p", {}, `In the workspace, and not answering: ${only.join(", ")}. The next change that you switch on brings them along.`)),
    travel(found), found.generations && generations(found.generations));
}

function travel(found) {
  const name = h("input", { type: "text", id: "export-name", class: "short", placeholder: "bundle-2026-11" });
  const send = doing(async () => { const done = await ask("/api/export", { name: name.value.trim() }); say(`Exported to ${done.folder}`); });
  return h("section", {}, h("h2", {}, "Export and publish"), h("form", { class: "row", onsubmit: send }, h("label", { for: "export-name" }, "What answers, as a bundle called"), name, h("button", {}, "Export")),
    found.can_publish && !found.generations ? h("div", { class: "row" }, h("span", {}, "To the devices that follow ", h("code", {}, found.repository)), h("button", { type: "button", onclick: doing(async () => {
      if (!(await sure("Sign what answers here, and let devices fetch it?", "Publish"))) return;
      const done = await ask("/api/publish", {}); say(`Published: ${done.added.join(", ") || "nothing new, signed anew"}; ${bytes(done.bytes)}.`); }) }, "Publish"))
      : h("p", { class: "soft small" }, found.generations ? "A change that is switched on here is published on its way to the store." : "To publish from here, start the console with --repo and --keys."));
}

function generations(list) {
  const call = (body) => doing(async () => { await ask("/api/generation", body); await tasks(); });
  return h("section", {}, h("h2", {}, "Generations of the store"), h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Generations" }, h("table", { class: "compare" }, h("caption", {}, "What the store can answer with"),
    h("tbody", {}, list.map((one) => h("tr", {}, h("th", { scope: "row" }, `generation ${one.number}`), h("td", {}, one.answers ? h("span", { class: "tag good" }, one.pinned ? "answers, stays" : "answers") : one.vouched ? "kept" : "signed by keys that no longer count"),
      h("td", { class: "labels" }, one.tasks.join(", ")), h("td", {}, one.answers ? one.pinned && h("button", { type: "button", class: "quiet", onclick: call({ unpin: true }) }, "let syncs go on") : one.vouched && h("button", { type: "button", class: "quiet", onclick: call({ to: one.number }) }, "let it answer"))))))));
}

// -- Watch -------------------------------------------------------------------------------------

async function watch() {
  let minutes = 120, on = true, timer = 0;
  leave = () => { on = false; clearTimeout(timer); };
  const inside = h("div", {});
  const spans = [[60, "1 hour"], [120, "2 hours"], [1440, "1 day"], [10080, "1 week"]];
  const select = h("select", { id: "span", class: "short", onchange: () => { minutes = Number(select.value); look(); } }, spans.map(([value, name]) => h("option", { value, selected: value === minutes }, name)));
  page(h("h1", {}, "Watch"), h("p", { class: "soft" }, "What is asked, how much of it is not known, and whether it is still what the tasks were certified with."), inside);
  async function look() {
    clearTimeout(timer);
    const found = await ask(`/api/watch?minutes=${minutes}`);
    if (!on) return;
    inside.replaceChildren(...[found.trouble && h("div", { class: "alarm" }, h("p", {}, found.trouble)), drift(found), traffic(found, select)].filter(Boolean));
    timer = setTimeout(() => look().catch((error) => complain(error.message)), 15000);
  }
  await look();
}

function drift(found) {
  const { rows, alpha } = found.drift, alarms = rows.filter((row) => row.alarmed !== null);
  const verdict = alarms.length
    ? h("div", { class: "alarm" }, h("p", {}, h("b", {}, "The inputs changed. "), `The counts of ${alarms.map((row) => row.name).join(", ")} cannot be reconciled with the certificates. This is wrong with probability at most ${percent(alpha, 0)}: look at the inputs in Review, or teach a task of them.`))
    : !rows.some((row) => row.inputs) ? h("div", { class: "note" }, h("p", {}, "Nothing was counted yet, so nothing can be said."))
      : h("div", { class: "note fine" }, h("p", {}, h("b", {}, "No change found in these counts. "), `The probability of ever raising a false alarm is at most ${percent(alpha, 0)}, however long this runs.`));
  return h("section", {}, h("h2", {}, "Are the inputs still the same?"), verdict, h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Drift" }, h("table", { class: "compare" }, h("caption", {}, `Counted: ${found.source}`),
    h("thead", {}, h("tr", {}, ["counted", "answers", "unknown or thin", "share", "at most", "alarm"].map((name, at) => h("th", { scope: "col", class: at ? "number" : null }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, h("th", { scope: "row" }, row.name), h("td", { class: "number" }, row.inputs.toLocaleString("en")), h("td", { class: "number" }, row.hits.toLocaleString("en")),
      h("td", { class: `number${row.alarmed !== null ? " worse" : ""}` }, row.inputs ? percent(row.hits / row.inputs) : "–"), h("td", { class: "number" }, percent(row.bound)), h("td", { class: "number" }, row.alarmed !== null ? `at input ${row.alarmed}` : "none")))))));
}

function traffic(found, select) {
  if (!found.kept) return h("section", {}, h("h2", {}, "Over time"), h("p", { class: "soft" }, "Answers are counted by the minute where --keep DIR is given."));
  return h("section", {}, h("h2", {}, "Over time"), h("div", { class: "row" }, h("label", { for: "span" }, "The last"), select),
    h("figure", {}, chart(found.charts.answers), h("figcaption", {}, "Answers a minute, of all programs that keep into this folder.")), h("figure", {}, chart(found.charts.unknown), h("figcaption", {}, "Share of inputs called unknown, by the task that they were nearest to.")),
    found.reached.length > 0 && h("div", { class: "alarm" }, h("p", {}, h("b", {}, "The inputs changed over this time: "), `the counts of ${found.reached.join(", ")} reached an alarm, of all programs that keep into this folder.`)),
    h("figure", {}, chart(found.charts.drift), h("figcaption", {}, `What the counts of this time say against what is promised, as a share of what raises an alarm. Counting begins with this time; the probability that a line ever reaches 100% while nothing changed is at most ${percent(found.drift.alpha, 0)}.`)),
    h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Answers by task" }, h("table", {}, h("caption", {}, "By task, over this time"), h("thead", {}, h("tr", {}, ["task", "answers", "unknown", "thin margin"].map((name, at) => h("th", { scope: "col", class: at ? "number" : null }, name)))),
      h("tbody", {}, found.totals.map((row) => h("tr", {}, h("th", { scope: "row" }, row.task), h("td", { class: "number" }, row.answers.toLocaleString("en")), h("td", { class: "number" }, percent(row.answers ? row.unknown / row.answers : 0)), h("td", { class: "number" }, percent(row.answers ? row.thin / row.answers : 0))))))));
}

// -- begin -------------------------------------------------------------------------------------

const keys = document.getElementById("keys");
document.getElementById("keys-button").addEventListener("click", () => keys.showModal());
document.addEventListener("keydown", (event) => {
  if (event.altKey && event.key >= "1" && event.key <= "5") { location.hash = `#${Object.keys(views)[event.key - 1]}`; event.preventDefault(); }
  else if (event.key === "?" && state && !/INPUT|TEXTAREA|SELECT/.test(event.target.tagName)) keys.showModal();
});
window.addEventListener("hashchange", () => { if (location.hash !== "#main" && state) show(); });
window.addEventListener("unhandledrejection", (event) => { complain(event.reason.message); event.preventDefault(); });

(async () => {
  const given = location.hash.slice(1);
  const key = given && !(given in views) && given !== "main" ? given : "";
  if (key) history.replaceState(null, "", "/#try");
  try {
    if (key) await enter(key);
    else { word = (await ask("/api/word")).word; await begin(); }
  } catch (error) {
    logIn(error.status === 401 && !key ? "" : error.message);
  }
})();
