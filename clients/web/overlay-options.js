// The options of the overlay, from the query of its URL. PURE. Invalid values are ignored.

const MAX_LINES = 8;
const MAX_CLEAR_S = 60;
const MAX_SAFE_PERCENT = 25;
const MAX_SIZE_PERCENT = 20; // a larger size is in pixels: no one reads captions of 20 pixels over a video
const MAX_SIZE_PX = 400;

const ALIGNMENTS = ["left", "center", "right"];

/**
 * Returns the options of a query.
 *
 * @returns `lines`: at most displayed; `clearMs`: after which they disappear; `isTop`; `hasNames`: whether the name of a
 *   channel is displayed before its words; `style`: CSS properties for the root, only those that the query sets, so that
 *   custom CSS can set the others.
 */
export function overlayOptions(query) {
  const params = new URLSearchParams(query);
  const number = (name, minimum, maximum) => {
    const value = params.get(name)?.trim() ? Number(params.get(name)) : NaN;
    return value >= minimum && value <= maximum ? value : null;
  };
  const lines = number("lines", 1, MAX_LINES);
  const style = {
    "--lines": lines && String(Math.round(lines)),
    "--size": sizeOf(number("size", 1, MAX_SIZE_PX)),
    "--align": ALIGNMENTS.includes(params.get("align")) ? params.get("align") : null,
    "--color": colourOf(params.get("color")),
    "--tail-color": colourOf(params.get("color")) && "var(--color)",
    "--background": colourOf(params.get("background")),
    "--safe": percentOf(number("safe", 0, MAX_SAFE_PERCENT)),
  };
  return {
    lines: Math.round(lines ?? 2),
    clearMs: (number("clear", 0, MAX_CLEAR_S) ?? 2) * 1_000, // as in other overlays
    isTop: params.get("position") === "top",
    hasNames: params.get("names") === "1",
    style: Object.fromEntries(Object.entries(style).filter(([, value]) => value !== null)),
  };
}

function sizeOf(size) {
  if (size === null) return null;
  return size <= MAX_SIZE_PERCENT ? `${size}vw` : `${size}px`;
}

function percentOf(value) {
  return value === null ? null : String(value);
}

/** Returns a CSS colour for RGB, RGBA, RRGGBB or RRGGBBAA in hexadecimal digits, with or without `#`, or null. */
function colourOf(text) {
  const digits = /^#?((?:[\da-f]{3,4}){1,2})$/i.exec(text ?? "")?.[1];
  return digits === undefined ? null : `#${digits}`;
}
