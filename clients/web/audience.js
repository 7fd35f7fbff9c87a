// The address for the audience, in the settings: of the caption event, or of the session where there are no events.

import { Refused } from "./api.js";
import { CaptionEvent, EVENT_NAME, eventNameFrom } from "./caption-event.js";
import { t } from "./i18n.js";
import { problemText } from "./problem-text.js";
import { ShareCard, shareOf, shareOfSession } from "./share.js";

const LOCKED = new Set([401, 403]);

const element = (id) => document.getElementById(id);

/** Opens the event of this browser, and displays the address for viewers. */
export class Audience {
  #event = new CaptionEvent();
  #card = new ShareCard();
  #title;
  #onLocked;
  #opening = Promise.resolve();

  /**
   * @param {function(): string} title of the event, from its field.
   * @param {function(Refused): void} onLocked called if the gateway requires another key.
   */
  constructor(title, onLocked) {
    this.#title = title;
    this.#onLocked = onLocked;
    element("event").value = this.#event.name;
    element("event-base").textContent = `${location.host}/e/`;
    element("event").addEventListener("change", () => this.#rename());
    document.addEventListener("languagechange", () => this.#hint(""));
    this.#card.show(null);
  }

  /** Name of the event, if the gateway has it. */
  get eventName() {
    return this.#event.isOpen ? this.#event.name : null;
  }

  /** The displayed `Share`, or null. */
  get share() {
    return this.#card.share;
  }

  /** Resolves once the last `open` has been answered. */
  get opened() {
    return this.#opening;
  }

  /** Creates the event at the gateway, or changes its title, and displays its address. */
  open() {
    this.#opening = this.#open(this.#event.name);
    return this.#opening;
  }

  /** Allows or forbids another name: a live session belongs to its event. */
  set isFixed(value) {
    element("event").readOnly = value;
  }

  /** Displays the address of a session, unless there is that of an event, or one from before a reload. */
  async showSession(id, share = null) {
    if (!this.#event.isOpen) this.#card.show(share ?? (await shareOfSession(id)));
  }

  async #open(name) {
    try {
      await this.#event.open(this.#title(), name);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.#refused(error, name);
      return;
    }
    element("event-field").hidden = false;
    element("event").value = this.#event.name;
    this.#hint("");
    this.#card.show(await shareOf(this.#event.path));
  }

  #refused(error, name) {
    if (LOCKED.has(error.status)) this.#onLocked(error);
    else if (error.code === "conflict") this.#hint(t("event.taken", { name }));
    else if (error.status === 0) this.#hint(problemText(error));
    else element("event-field").hidden = !this.#event.isOpen; // the gateway cannot read or write them now
  }

  async #rename() {
    const name = eventNameFrom(element("event").value);
    if (!EVENT_NAME.test(name)) {
      this.#hint(t("event.invalid"));
      return;
    }
    element("event").value = name;
    this.#opening = this.#open(name);
    await this.#opening;
  }

  #hint(text) {
    element("event-hint").textContent = text || t("event.hint");
    element("event").setAttribute("aria-invalid", String(text !== ""));
  }
}
