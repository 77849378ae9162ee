// The part of the page that is seen: what it shows, and what ends when another one comes.

const main = document.getElementById("main");
let ending = () => {};

export const page = (...inside) =>
  main.replaceChildren(
    ...inside.flat(3).filter((one) => one !== null && one !== undefined && one !== false),
  );

/** Have something done when another part comes: timers and keys end with their part. */
export function onLeave(call) {
  ending = call;
}

export function leave() {
  ending();
  ending = () => {};
}
