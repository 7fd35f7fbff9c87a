// The settings: part of the page before the start, behind one button once live.

const element = (id) => document.getElementById(id);

/** The panel and its button. */
export class SettingsPanel {
  #isLive = false;
  #isOpen = false;

  constructor() {
    element("toggle-settings").addEventListener("click", () => this.#set(!this.#isOpen));
    element("close-settings").addEventListener("click", () => this.#close());
    element("settings").addEventListener("keydown", ({ key }) => key === "Escape" && this.#isLive && this.#close());
  }

  /** Whether captions are live, which puts the settings behind their button. */
  set isLive(value) {
    if (value === this.#isLive) return;
    this.#isLive = value;
    element("toggle-settings").hidden = !value;
    element("close-settings").hidden = !value;
    this.#set(false);
  }

  #set(isOpen) {
    this.#isOpen = isOpen;
    element("settings").hidden = this.#isLive && !isOpen;
    element("toggle-settings").setAttribute("aria-expanded", String(isOpen));
    if (isOpen) element("close-settings").focus();
  }

  #close() {
    this.#set(false);
    element("toggle-settings").focus();
  }
}
