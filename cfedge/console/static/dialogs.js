// Dialogs: one asks for a name, one whether a person is sure.

import { button, h, row } from "./node.js";

function shown(dialog, closed) {
  dialog.addEventListener("close", () => {
    dialog.remove();
    closed();
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** Ask for a name in a dialog; what was typed stays there until it was taken. */
export function askName({ id, title, term, value, verb, then = () => {} }, call) {
  const field = h("input", { type: "text", id, value });
  const fault = h("p", { class: "fault", role: "alert" });
  const take = async (event) => {
    event.preventDefault();
    const name = field.value.trim();
    if (!name) return;
    try {
      await call(name);
      dialog.close();
    } catch (error) {
      fault.textContent = error.message;
      field.focus();
    }
  };
  const dialog = h(
    "dialog",
    { "aria-labelledby": `${id}-title` },
    h(
      "form",
      { onsubmit: take },
      h("h2", { id: `${id}-title` }, title),
      h("label", { for: id }, term),
      field,
      fault,
      row(
        h("button", { class: "go" }, verb),
        button("Cancel", () => dialog.close()),
      ),
    ),
  );
  shown(dialog, then);
  field.select();
}

export function sure(question, verb) {
  return new Promise((resolve) => {
    let answer = false;
    const agree = () => {
      answer = true;
      dialog.close();
    };
    const dialog = h(
      "dialog",
      { "aria-labelledby": "sure-title" },
      h("h2", { id: "sure-title" }, question),
      row(
        button(verb, agree, { class: "danger" }),
        button("Cancel", () => dialog.close(), { autofocus: true }),
      ),
    );
    shown(dialog, () => resolve(answer));
  });
}
