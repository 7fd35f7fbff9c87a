// Corrections of final captions by the captioner, in place, while the session is live and afterwards.

import { Refused, request, sessionPath } from "./api.js";
import { t } from "./i18n.js";
import { editInPlace, editorNote } from "./inline-editor.js";
import { problemText } from "./problem-text.js";

const MAX_CHARS = 2_000; // as the gateway checks it
const SVG = "http://www.w3.org/2000/svg";
const NAMED_CHARS = 40; // of a caption, in the name of its button

/** Makes the paragraphs of the transcript editable, by a click or by a button for the keyboard. */
export class Correction {
  #history;
  #sessionId;
  #refresh;
  #take;

  /**
   * @param {object} options
   * @param {HTMLElement} options.history the paragraphs.
   * @param {function(): string|null} options.sessionId of the displayed session; null: it cannot be corrected.
   * @param {function(): Promise<void>} options.refresh applies corrections that have not arrived yet.
   * @param {function(object): void} options.take applies a message to the displayed captions.
   */
  constructor({ history, sessionId, refresh, take }) {
    this.#history = history;
    this.#sessionId = sessionId;
    this.#refresh = refresh;
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
      const isText = event.target.closest("button, .editor, .speaker") === null;
      if (isText && getSelection().isCollapsed) this.#open(paragraph, entry, button); // else text is being selected
    });
  }

  get #buttons() {
    return [...this.#history.querySelectorAll(".edit")];
  }

  #open(paragraph, entry, button) {
    if (this.#sessionId() === null || paragraph.querySelector(".editor") !== null) return;
    let revision = entry.revision;
    const save = async (text) => {
      try {
        this.#take(await put(this.#sessionId(), entry, text, revision));
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.code !== "conflict") return editorNote(problemText(error));
        revision = null; // saving again replaces whatever there is
        return this.#conflict(paragraph, entry);
      }
      button.setAttribute("aria-label", t("correction.edit", { text: text.slice(0, NAMED_CHARS) }));
      return null;
    };
    editInPlace(paragraph.querySelector(".words"), {
      label: t("correction.field"),
      text: entry.stable,
      maxLength: MAX_CHARS,
      save,
      closed: () => button.focus(),
    });
  }

  /** Returns the note that another captioner has corrected the same caption, with that text. */
  async #conflict(paragraph, entry) {
    await this.#refresh();
    const keepTheirs = () => paragraph.querySelector(".editor [type=button]").click();
    return editorNote(t("correction.conflict", { text: entry.stable }), [[t("correction.keep_theirs"), keepTheirs]]);
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
  const known = revision === null ? {} : { revision };
  const path = sessionPath(sessionId, "utterances", entry.utteranceId);
  return request(path, { method: "PUT", body: { text, ...known, ...channel } });
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
