// Nodes of the page. Every string from outside becomes a node of letters; charts come escaped from
// the server.

const isThere = (one) => one !== null && one !== undefined && one !== false;

export function h(name, attributes, ...inside) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (!isThere(value)) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value") node.value = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...inside.flat(3).filter(isThere));
  return node;
}

export const p = (...inside) => h("p", {}, ...inside);
export const soft = (...inside) => h("p", { class: "soft" }, ...inside);
export const small = (...inside) => h("p", { class: "soft small" }, ...inside);
export const row = (...inside) => h("div", { class: "row" }, ...inside);

/** A box that stands out: "note", "note fine" or "alarm". */
export const box = (kind, ...inside) => h("div", { class: kind }, ...inside);
export const empty = (...lines) => h("div", { class: "empty" }, lines);

/** A part with a heading. */
export const section = (heading, ...inside) => h("section", {}, h("h2", {}, heading), ...inside);

/** A button that does something; a form's own one says nothing of what. */
export const button = (words, onclick, more) =>
  h("button", { type: "button", ...more, onclick }, words);

/** One among other things, that does not ask to be looked at. */
export const light = (words, onclick, more) => button(words, onclick, { class: "quiet", ...more });

/** A chart that the server drew, and what it says. */
export function chart(markup, ...caption) {
  const node = new DOMParser().parseFromString(markup, "text/html").body.firstElementChild;
  const picture = h("div", { class: "picture", tabindex: "0" }, document.adoptNode(node));
  return h("figure", {}, picture, h("figcaption", {}, ...caption));
}

// A label keeps its own direction, and what stands beside it the page's: as an element, and within
// text.
export const own = (text) => h("bdi", {}, text);
export const isolated = (text) => `\u2068${text}\u2069`;
