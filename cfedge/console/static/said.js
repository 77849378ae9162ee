// What the page says of what happened, and of what went wrong.

import { button } from "./node.js";

const status = document.getElementById("status");
const trouble = document.getElementById("trouble");
const SHOWN_MS = 4000;

let fading = 0;

export function say(message) {
  status.textContent = message;
  clearTimeout(fading);
  fading = setTimeout(() => {
    status.textContent = "";
  }, SHOWN_MS);
}

export const complain = (message) => trouble.replaceChildren(message, button("Close", quiet));
export const quiet = () => trouble.replaceChildren();

/** Run what a person asked for; what goes wrong is shown, and the button waits meanwhile. */
export const doing = (call) => async (event) => {
  const pressed = event && (event.submitter || event.currentTarget);
  const waiting = pressed && pressed.tagName === "BUTTON" ? pressed : null;
  if (event) event.preventDefault();
  if (waiting) waiting.disabled = true;
  quiet();
  try {
    await call(event);
  } catch (error) {
    complain(error.message);
  } finally {
    if (waiting) waiting.disabled = false;
  }
};
