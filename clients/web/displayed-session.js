// The session whose captions the page displays, live or past: its transcript, corrections, names and exports.

import { Refused, request, sessionMessages, sessionPath } from "./api.js";
import { CaptionStage } from "./caption-stage.js";
import { Correction } from "./correction.js";
import { exportLinks } from "./export-links.js";
import { problemText } from "./problem-text.js";

const element = (id) => document.getElementById(id);

/** Displays one session at a time, or the captions of a test, which belong to none. */
export class DisplayedSession {
  #id = null;
  #isKept = false;
  #options;
  #problems;
  #stage = new CaptionStage((paragraph, entry) => this.#correction.attach(paragraph, entry));
  #correction = new Correction({
    history: element("history"),
    sessionId: () => this.#id,
    refresh: () => this.#refresh(),
    take: (message) => this.take(message),
  });

  /**
   * @param {SessionOptions} options display the title and the names.
   * @param {Problems} problems
   */
  constructor(options, problems) {
    this.#options = options;
    this.#problems = problems;
    element("history").addEventListener("click", ({ target }) => this.#editName(target));
  }

  /** The displayed `Captions`. */
  get captions() {
    return this.#stage.captions;
  }

  get hasWords() {
    return this.#stage.hasWords;
  }

  /** Whether the gateway has the transcript, too. */
  get isKept() {
    return this.#isKept;
  }

  /** Text while there are no captions: `{title, text}`. */
  set hint(hint) {
    this.#stage.hint = hint;
  }

  /** Displays nothing. */
  clear() {
    this.#id = null;
    this.#isKept = false;
    this.#stage.clear();
    element("downloads").hidden = true;
  }

  /**
   * Names the session of the messages that follow, and offers its transcript.
   *
   * @param {string|null} token view token for the links.
   */
  name(id, token) {
    this.#id = id;
    const links = exportLinks(id, token, (error) => this.#refused(error));
    element("exports").replaceChildren(...links);
    element("downloads").hidden = false;
  }

  /** Finds out at the end of the session whether the gateway keeps it: without a journal it does not. */
  async end() {
    const id = this.#id;
    if (id === null) return;
    const isKept = await request(sessionPath(id, "transcript.txt")).then(() => true, () => false);
    if (id === this.#id) this.#isKept = isKept;
  }

  /** Applies a message of the gateway. */
  take(message) {
    if (message.type === "details") this.#options.show(message);
    if (message.channel !== undefined) this.#options.names.know(message.channel);
    this.#stage.take(message);
    if (message.type === "details") this.#stage.refreshNames();
  }

  /** Displays a past session, for corrections and exports. */
  async openPast({ id, title = null, names = [] }) {
    try {
      const messages = await sessionMessages(id);
      this.clear();
      this.#options.show({ title, names });
      this.name(id, null);
      this.#isKept = true;
      for (const message of messages) this.take(message);
    } catch (error) {
      this.#refused(error);
    }
  }

  /** Sends the title and the names, as the user has changed them, to the gateway. */
  async changeDetails() {
    if (this.#id === null) return;
    try {
      this.take(await request(sessionPath(this.#id), { method: "PATCH", body: this.#options.details }));
      this.#problems.set("details", null);
    } catch (error) {
      this.#refused(error);
    }
  }

  /** Applies corrections of a past session, which do not arrive by themselves as those of a live one do. */
  async #refresh() {
    if (!this.captions.isFinished) return;
    const messages = await sessionMessages(this.#id).catch(() => []);
    for (const message of messages) if (message.type === "correction") this.take(message);
  }

  #editName(target) {
    const label = target.closest(".speaker");
    const entry = label && this.captions.find(label.closest("[data-key]").dataset.key);
    if (entry) this.#options.names.editAt(label, entry.channel ?? 0);
  }

  #refused(error) {
    if (!(error instanceof Refused)) throw error;
    this.#problems.set("details", problemText(error));
  }
}
