// Tables: the first cell of a row names it; figures stand to the right; a wide one scrolls by itself.

import { h } from "./node.js";

/** A figure, which stands to the right; with a word for how it is to be seen, such as "worse". */
export const figure = (inside, seen = "") => ({ inside, class: `number ${seen}`.trim() });

/**
 * A table that is reached and scrolled by keys.
 *
 * label: what it is called for who does not see it; columns: names, those of figures with figure();
 * over: names above several columns, each with how many; rows: arrays of cells, plain or figure().
 */
export function table({
  label,
  caption,
  columns,
  over,
  rows,
  marked = () => null,
  kind = "compare",
}) {
  const cell = (tag, one, more) => {
    const { inside, class: seen } =
      one && one.inside !== undefined ? one : { inside: one, class: null };
    return h(tag, { ...more, class: seen }, inside);
  };
  const head = [
    over &&
      h(
        "tr",
        {},
        over.map(([name, many]) =>
          name
            ? h("th", { scope: "colgroup", colspan: many, class: "over" }, name)
            : h("td", { colspan: many }),
        ),
      ),
    columns &&
      h(
        "tr",
        {},
        columns.map((one) => cell("th", one, { scope: "col" })),
      ),
  ];
  const body = rows.map(([name, ...cells], at) =>
    h(
      "tr",
      { class: marked(at) },
      cell("th", name, { scope: "row" }),
      cells.map((one) => cell("td", one)),
    ),
  );
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": label },
    h(
      "table",
      { class: kind },
      h("caption", {}, caption),
      columns && h("thead", {}, head),
      h("tbody", {}, body),
    ),
  );
}
