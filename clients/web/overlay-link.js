// The address of the overlay, from the viewers' address and the choices of a form.

const FORM = ["lines", "size", "align", "color", "background", "opacity"];

/**
 * Returns the overlay's address. PURE.
 *
 * @param {string} viewer address of the viewer page.
 * @param {{lines: string, size: string, align: string, color: string, background: string, opacity: string}} look the
 *   colours as `#rrggbb`, the opacity of the background in percent.
 */
export function overlayAddress(viewer, { lines, size, align, color, background, opacity }) {
  const url = new URL(viewer);
  const alpha = Math.round((Number(opacity) * 255) / 100).toString(16).padStart(2, "0");
  const aligned = align === "start" ? {} : { align }; // without one, the script decides
  const query = { overlay: "1", lines, size, ...aligned, color: color.slice(1), background: background.slice(1) + alpha };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

/** Binds the form with the ids `overlay-…` to its link and its preview. */
export class OverlayLink {
  #viewer = null;

  constructor() {
    for (const name of FORM) input(name).addEventListener("input", () => this.#update());
  }

  /** Sets the viewers' address; null: there is none yet. */
  set viewer(address) {
    this.#viewer = address;
    this.#update();
  }

  #update() {
    document.getElementById("overlay").hidden = this.#viewer === null;
    if (this.#viewer === null) return;
    if (FORM.some((name) => !input(name).checkValidity())) return; // until it is complete
    const look = Object.fromEntries(FORM.map((name) => [name, input(name).value]));
    input("link").value = overlayAddress(this.#viewer, look);
    const sample = document.getElementById("overlay-preview").firstElementChild;
    sample.style.color = look.color;
    sample.style.background = `color-mix(in srgb, ${look.background} ${look.opacity}%, transparent)`;
    sample.parentElement.style.textAlign = look.align;
  }
}

function input(name) {
  return document.getElementById(`overlay-${name}`);
}
