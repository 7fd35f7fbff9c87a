// How a reader likes the pages: colours and size of the text. Kept in this browser.

const SIZES_REM = [1, 1.25, 1.5, 1.75, 2.25, 3, 4, 5.5];
const DEFAULT_SIZE = 3;
const THEMES = ["auto", "light", "dark", "contrast"];

/** Browsers that keep nothing throw where others answer. */
function kept(name) {
  try {
    return localStorage.getItem(`livecue.${name}`);
  } catch {
    return null;
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(`livecue.${name}`, value);
  } catch {
    // then it holds for this page only
  }
}

/** Applies the kept colours to the page, and lets a `<select>` of auto, light, dark and contrast change them. */
export function useTheme(select) {
  function apply(theme) {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }
  const known = kept("theme");
  select.value = THEMES.includes(known) ? known : "auto";
  apply(select.value);
  select.addEventListener("change", () => {
    apply(select.value);
    keep("theme", select.value);
  });
}

/** Applies the kept size to captions, and lets two buttons change it. */
export function useSize(smaller, larger) {
  const known = Number.parseInt(kept("size") ?? "", 10);
  let size = known in SIZES_REM ? known : DEFAULT_SIZE;
  function apply() {
    document.documentElement.style.setProperty("--caption-size", `${SIZES_REM[size]}rem`);
    smaller.disabled = size === 0;
    larger.disabled = size === SIZES_REM.length - 1;
  }
  function step(by) {
    size += by;
    apply();
    keep("size", String(size));
  }
  smaller.addEventListener("click", () => step(-1));
  larger.addEventListener("click", () => step(1));
  apply();
}
