// The reader's preferences: colours and text size. Stored in this browser.

const SIZES_REM = [1, 1.25, 1.5, 1.75, 2.25, 3, 4, 5.5];
const DEFAULT_SIZE = 3;

/** Theme → the media for which dark.css applies. */
const DARK_MEDIA = { auto: "(prefers-color-scheme: dark)", light: "not all", dark: "all", contrast: "not all" };

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
}

/** Applies the stored theme to the page, and binds it to a `<select>` of auto, light, dark and contrast. */
export function useTheme(select) {
  function apply(theme) {
    document.getElementById("dark").media = DARK_MEDIA[theme];
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }
  const known = stored("theme");
  select.value = Object.hasOwn(DARK_MEDIA, known) ? known : "auto";
  apply(select.value);
  select.addEventListener("change", () => {
    apply(select.value);
    store("theme", select.value);
  });
}

/** Applies the stored size to the captions, and binds it to two buttons. */
export function useSize(smaller, larger) {
  const known = Number.parseInt(stored("size") ?? "", 10);
  let size = known in SIZES_REM ? known : DEFAULT_SIZE;
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
