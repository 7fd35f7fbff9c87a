// The reader's preferences: colours, lettering, text size, times. Stored in this browser.
//
// A parameter of the page's URL overrides the stored one until the reader changes it, for a link to a projector.

const SIZES_REM = [1, 1.25, 1.5, 1.75, 2.25, 3, 4, 5.5];
const DEFAULT_SIZE = 3;
const DEFAULT_SIZE_NARROW = 2;
const NARROW = "(max-width: 40rem)";

/** Theme → the media for which dark.css applies. */
const DARK_MEDIA = {
  auto: "(prefers-color-scheme: dark)",
  light: "not all",
  dark: "all",
  cream: "not all",
  contrast: "not all",
};

const FONTS = ["standard", "dyslexia"];

/** Applies the theme to the page, and binds it to a `<select>` or `<fieldset>` with the values of `DARK_MEDIA`. */
export function useTheme(control) {
  useChoice("theme", control, Object.keys(DARK_MEDIA), (theme) => {
    document.getElementById("dark").media = DARK_MEDIA[theme];
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  });
}

/** Applies the lettering to the captions, and binds it to a `<select>` or `<fieldset>` with the values of `FONTS`. */
export function useFont(control) {
  useChoice("font", control, FONTS, (font) => {
    document.documentElement.dataset.font = font;
  });
}

/** Binds a checkbox to whether each caption has its time, and calls `onChange` with it. */
export function useTimes(checkbox, onChange) {
  checkbox.checked = preferred("times", (value) => value === "0" || value === "1") === "1";
  onChange(checkbox.checked);
  checkbox.addEventListener("change", () => {
    onChange(checkbox.checked);
    store("times", checkbox.checked ? "1" : "0");
  });
}

/** Applies the size to the captions, and binds it to two buttons. */
export function useSize(smaller, larger) {
  const standard = matchMedia(NARROW).matches ? DEFAULT_SIZE_NARROW : DEFAULT_SIZE;
  let size = Number(preferred("size", (value) => value in SIZES_REM) ?? standard);
  function apply() {
    document.documentElement.style.setProperty("--caption-size", `${SIZES_REM[size]}rem`);
    smaller.disabled = size === 0;
    larger.disabled = size === SIZES_REM.length - 1;
  }
  function step(by) {
    size += by;
    apply();
    store("size", String(size));
  }
  smaller.addEventListener("click", () => step(-1));
  larger.addEventListener("click", () => step(1));
  apply();
}

/** Applies one of several values, the first unless another one is preferred, and binds it to a control. */
function useChoice(name, control, values, apply) {
  const value = preferred(name, (each) => values.includes(each)) ?? values[0];
  apply(value);
  if (control instanceof HTMLSelectElement) control.value = value;
  else control.querySelector(`[value="${value}"]`).checked = true;
  control.addEventListener("change", ({ target }) => {
    apply(target.value);
    store(name, target.value);
  });
}

/** Returns the valid value of the page's URL, else the stored one, else null. */
function preferred(name, isValid) {
  const known = [new URLSearchParams(location.search).get(name), stored(name)];
  return known.find((value) => value !== null && isValid(value)) ?? null;
}

function stored(name) {
  try {
    return localStorage.getItem(`livecue.${name}`);
  } catch { // the browser forbids storage
    return null;
  }
}

function store(name, value) {
  try {
    localStorage.setItem(`livecue.${name}`, value);
  } catch {
    // it then applies to this page only
  }
  const url = new URL(location.href);
  if (url.searchParams.has(name)) { // it would override the choice after a reload
    url.searchParams.delete(name);
    history.replaceState(history.state, "", url);
  }
}
