// Where what answers travels: as a bundle of its own, to devices, and among a store's generations.

import { sure } from "./dialogs.js";
import { button, h, light, row, section, small } from "./node.js";
import { doing, say } from "./said.js";
import { ask } from "./server.js";
import { table } from "./table.js";
import { bytes } from "./words.js";

export function travel(found) {
  const name = h("input", {
    type: "text",
    id: "export-name",
    class: "short",
    placeholder: "bundle-2026-11",
    autocomplete: "off",
    spellcheck: "false",
  });
  const send = doing(async () => {
    if (!name.value.trim()) {
      name.focus();
      throw new Error("The bundle needs a name: lower-case letters, digits, -, _ and .");
    }
    const done = await ask("/api/export", { name: name.value.trim() });
    say(`Exported to ${done.folder}`);
  });
  return section(
    "Export and publish",
    h(
      "form",
      { class: "row", onsubmit: send },
      h("label", { for: "export-name" }, "Export what answers as a bundle called"),
      name,
      h("button", {}, "Export"),
    ),
    published(found),
  );
}

function published(found) {
  if (found.generations)
    return small("What you switch on here is published on its way to the store.");
  if (!found.can_publish)
    return small("To publish from here, start the console with --repo and --keys.");
  const send = doing(async () => {
    if (!(await sure("Sign what answers here, and let devices fetch it?", "Publish"))) return;
    const done = await ask("/api/publish", {});
    say(`Published: ${done.added.join(", ") || "nothing new, signed anew"}; ${bytes(done.bytes)}.`);
  });
  return row(
    h("span", {}, "Publish it to the devices that follow ", h("code", {}, found.repository)),
    button("Publish", send),
  );
}

export function generations(list, shown) {
  const call = (body) =>
    doing(async () => {
      await ask("/api/generation", body);
      await shown();
    });
  const rest = (one) => (one.vouched ? "kept" : "signed by keys that no longer count");
  const click = (one) => {
    if (one.answers) return one.pinned && light("let syncs go on", call({ unpin: true }));
    return one.vouched && light("let it answer", call({ to: one.number }));
  };
  return section(
    "Generations of the store",
    table({
      label: "Generations",
      caption: "What the store can answer with",
      rows: list.map((one) => [
        `generation ${one.number}`,
        one.answers
          ? h("span", { class: "tag good" }, one.pinned ? "answers, stays" : "answers")
          : rest(one),
        { inside: one.tasks.join(", "), class: "labels" },
        click(one),
      ]),
    }),
  );
}
