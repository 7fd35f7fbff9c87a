// The captions of the page, large: the transcript, its tools, and what is displayed while it is empty.

import { CaptionView } from "./caption-view.js";
import { Captions } from "./captions.js";
import { t } from "./i18n.js";
import { useMenus } from "./menus.js";
import { useSize } from "./preferences.js";
import { copied } from "./share.js";

const AT_END_PX = 48; // about a line
const NOTE_MS = 4_000;

const element = (id) => document.getElementById(id);

/** Displays one session, or a test. */
export class CaptionStage {
  #captions;
  #view;
  #onParagraph;

  /** @param {function(HTMLElement, object): void} onParagraph called with each new final paragraph and its entry. */
  constructor(onParagraph) {
    this.#onParagraph = onParagraph;
    useSize(element("smaller"), element("larger"));
    useMenus([element("downloads")]);
    element("copy-all").addEventListener("click", () => this.#copyAll());
    element("fullscreen").addEventListener("click", () => toggleFullscreen());
    element("fullscreen").hidden = !document.fullscreenEnabled;
    document.addEventListener("fullscreenchange", () => this.#labelFullscreen());
    document.addEventListener("languagechange", () => this.#labelFullscreen());
    const scroller = document.querySelector(".scroller");
    element("newest").addEventListener("click", () => (scroller.scrollTop = 0));
    // the scroller is reversed: 0 is its end
    scroller.addEventListener("scroll", () => (element("newest").hidden = scroller.scrollTop > -AT_END_PX));
    new MutationObserver((changes) => this.#decorate(changes)).observe(element("history"), { childList: true });
    this.clear();
  }

  /** The displayed `Captions`. */
  get captions() {
    return this.#captions;
  }

  get hasWords() {
    return this.#captions.entries.some((entry) => entry.isVisible);
  }

  /** Displays no captions. */
  clear() {
    this.#captions = new Captions();
    for (const id of ["history", "now"]) element(id).replaceChildren();
    this.#view = new CaptionView(this.#captions, element("history"), element("now"));
    this.#refresh();
  }

  /** Applies a message of the gateway. */
  take(message) {
    this.#view.update(this.#captions.take(message));
    this.#refresh();
  }

  /** Displays the names of the speakers again. */
  refreshNames() {
    this.#view.refresh();
  }

  /** Sets what is displayed while there are no captions. */
  set hint({ title, text }) {
    element("empty-title").textContent = title;
    element("empty-hint").textContent = text;
  }

  #refresh() {
    element("empty").hidden = this.hasWords;
    element("copy-all").hidden = !this.hasWords;
  }

  #decorate(changes) {
    const added = changes.flatMap(({ addedNodes }) => [...addedNodes]).filter((node) => node.isConnected);
    for (const paragraph of added) this.#onParagraph(paragraph, this.#captions.find(paragraph.dataset.key));
  }

  async #copyAll() {
    const note = await copied(this.#captions.text);
    element("copied-all").textContent = note;
    setTimeout(() => (element("copied-all").textContent = ""), NOTE_MS);
  }

  #labelFullscreen() {
    const isOn = document.fullscreenElement !== null;
    element("fullscreen").textContent = isOn ? t("captioner.leave_fullscreen") : t("captioner.fullscreen");
  }
}

function toggleFullscreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else document.documentElement.requestFullscreen().catch(() => {}); // the browser does not allow it
}
