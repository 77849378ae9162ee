// How figures are written.

export const percent = (x, digits = 1) =>
  x === null || x === undefined ? "–" : `${(100 * x).toFixed(digits)}%`;
export const plural = (n, one, many) =>
  `${n.toLocaleString("en")} ${n === 1 ? one : many || one + "s"}`;
export const bytes = (n) =>
  n < 1e3
    ? plural(n, "byte")
    : n >= 1e6
      ? `${(n / 1e6).toFixed(1)} MB`
      : `${(n / 1e3).toFixed(1)} kB`;
export const ago = (s) =>
  s < 90
    ? `${Math.round(s)} s`
    : s < 5400
      ? `${Math.round(s / 60)} min`
      : s < 172800
        ? `${Math.round(s / 3600)} h`
        : `${Math.round(s / 86400)} days`;
