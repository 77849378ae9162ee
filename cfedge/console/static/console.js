// The console's page: who may come in, which of its parts is seen, and the keys that work everywhere.
// No rule of the method is here: the server is asked, and what it says is shown.

import { h, row, soft } from "./node.js";
import { review } from "./review.js";
import { complain, doing, quiet } from "./said.js";
import { giveKey, goOn, onSignedOut } from "./server.js";
import { refresh, state } from "./state.js";
import { tasks } from "./tasks.js";
import { teach } from "./teach.js";
import { tryIt } from "./try.js";
import { leave, page } from "./view.js";
import { watch } from "./watch.js";

const FOLLOW_MS = 5000;

onSignedOut(logIn);

function logIn(why) {
  leave();
  document.getElementById("nav").hidden = true;
  const field = h("input", {
    type: "password",
    id: "key",
    autocomplete: "off",
    spellcheck: "false",
    required: true,
  });
  const said =
    why || "cfedge console printed it when it started. The link that it printed has it, too.";
  page(
    h(
      "form",
      { class: "login card", onsubmit: doing(() => enter(field.value)) },
      h("h1", {}, "Give the key"),
      soft(said),
      h("label", { for: "key", class: "above" }, "Key"),
      field,
      row(h("button", { class: "go" }, "Open the console")),
    ),
  );
  field.focus();
}

async function enter(key) {
  await giveKey(key);
  await begin();
}

async function begin() {
  await refresh();
  document.getElementById("nav").hidden = false;
  document.getElementById("keys-button").hidden = false;
  show();
}

const views = { try: tryIt, review, teach, tasks, watch };

function show() {
  const name = location.hash.slice(1) in views ? location.hash.slice(1) : "try";
  leave();
  quiet();
  scrollTo(0, 0);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${name[0].toUpperCase()}${name.slice(1)} · cfedge console`;
  Promise.resolve(views[name]()).catch((error) => complain(error.message));
}

// What answers may change under one's hands, by a sync or another console: the head follows.
setInterval(() => {
  if (state && !document.hidden && !document.getElementById("nav").hidden)
    refresh().catch(() => {});
}, FOLLOW_MS);

const keys = document.getElementById("keys");
document.getElementById("keys-button").addEventListener("click", () => keys.showModal());
document.addEventListener("keydown", (event) => {
  if (event.altKey && event.key >= "1" && event.key <= "5") {
    location.hash = `#${Object.keys(views)[event.key - 1]}`;
    event.preventDefault();
  } else if (event.key === "?" && state && !/INPUT|TEXTAREA|SELECT/.test(event.target.tagName))
    keys.showModal();
});
window.addEventListener("hashchange", () => {
  if (location.hash !== "#main" && state) show();
});
window.addEventListener("unhandledrejection", (event) => {
  complain(event.reason.message);
  event.preventDefault();
});

(async () => {
  const given = location.hash.slice(1);
  const key = given && !(given in views) && given !== "main" ? given : "";
  if (key) history.replaceState(null, "", "/#try");
  try {
    if (key) await enter(key);
    else {
      await goOn();
      await begin();
    }
  } catch (error) {
    logIn(error.status === 401 && !key ? "" : error.message);
  }
})();
