// Corrections of final captions by the captioner, in place, while the session is live and afterwards.

import { Refused, request, sessionMessages, sessionPath } from "./api.js";
import { t } from "./i18n.js";
import { editInPlace, editorNote } from "./inline-editor.js";
import { problemText } from "./problem-text.js";

const MAX_CHARS = 10_000;
const SVG = "http://www.w3.org/2000/svg";
const NAMED_CHARS = 40; // of a caption, in the name of its button

/** Makes the paragraphs of the transcript editable, by a click or by a button for the keyboard. */
export class Correction {
  #history;
  #sessionId;
  #take;

  /**
   * @param {object} options
   * @param {HTMLElement} options.history the paragraphs.
   * @param {function(): string|null} options.sessionId of the displayed session; null: it cannot be corrected.
   * @param {function(object): void} options.take applies a message to the displayed captions.
   */
  constructor({ history, sessionId, take }) {
    this.#history = history;
    this.#sessionId = sessionId;
    this.#take = take;
    history.addEventListener("keydown", (event) => this.#move(event));
  }

  /** Makes a paragraph editable. Only the button of the newest one is in the tab order; arrow keys lead to the others. */
  attach(paragraph, entry) {
    if (entry.kind !== "words") return;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "edit";
    button.append(icon());
    button.setAttribute("aria-label", t("correction.edit", { text: entry.stable.slice(0, NAMED_CHARS) }));
    button.addEventListener("click", () => this.#open(paragraph, entry, button));
    for (const other of this.#buttons) other.tabIndex = -1;
    paragraph.append(button);
    paragraph.addEventListener("click", (event) => {
      const isText = event.target.closest(".words, .note") !== null;
      if (isText && getSelection().isCollapsed) this.#open(paragraph, entry, button); // else text is being selected
    });
  }

  get #buttons() {
    return [...this.#history.querySelectorAll(".edit")];
  }

  #open(paragraph, entry, button) {
    if (this.#sessionId() === null || paragraph.querySelector(".editor") !== null) return;
    const words = paragraph.querySelector(".words");
    let revision = entry.revision;
    const save = async (text) => {
      try {
        this.#take(await put(this.#sessionId(), entry, text, revision));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.status !== 409) return editorNote(problemText(error));
        await this.#refresh();
        revision = entry.revision;
        return this.#conflict(paragraph, entry);
      }
      button.setAttribute("aria-label", t("correction.edit", { text: text.slice(0, NAMED_CHARS) }));
      return null;
    };
    const closed = () => button.focus();
    const label = t("correction.field");
    editInPlace(words, { label, text: entry.stable, maxLength: MAX_CHARS, save, closed });
  }

  /** Returns the note that another captioner has corrected the same caption: saving again replaces that text. */
  #conflict(paragraph, entry) {
    const keepTheirs = () => paragraph.querySelector(".editor [type=button]").click();
    return editorNote(t("correction.conflict", { text: entry.stable }), [[t("correction.keep_theirs"), keepTheirs]]);
  }

  /** Applies corrections that have not arrived yet; those of a past session do not arrive by themselves. */
  async #refresh() {
    const messages = await sessionMessages(this.#sessionId()).catch(() => []);
    for (const message of messages) if (message.type === "correction") this.#take(message);
  }

  #move(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const buttons = this.#buttons;
    const next = buttons[buttons.indexOf(event.target) + step];
    if (!step || !event.target.matches(".edit") || next === undefined) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
}

function put(sessionId, entry, text, revision) {
  const channel = entry.channel === null ? {} : { channel: entry.channel };
  const path = sessionPath(sessionId, "utterances", entry.utteranceId);
  return request(path, { method: "PUT", body: { text, revision, ...channel } });
}

function icon() {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", "M4 20h4L19 9l-4-4L4 16zM13 7l4 4");
  svg.append(path);
  return svg;
}
