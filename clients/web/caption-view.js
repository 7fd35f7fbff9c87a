// Displays the transcript as paragraphs. A final paragraph changes only if the captioner corrects it; of any other, only
// the end changes until its final, which may correct it once.

import { language, t } from "./i18n.js";

const CORRECTED_MS = 4_000; // a correction is highlighted that long
const SPEAKER_COLOURS = 6; // in style.css

/**
 * Keeps two elements up to date: final text goes to the history, whose additions screen readers announce; text that
 * may still change stays below it, unannounced.
 */
export class CaptionView {
  #captions;
  #history;
  #now;
  #paragraphs = new Map();
  #changed = new Set();
  #onRendered;
  #isScheduled = false;
  #hasTimes = false;

  /**
   * @param captions the `Captions` to display; its messages are fed by another object.
   * @param history element for final text, in or with `role="log"`.
   * @param now element right after it, for text that may still change.
   * @param onRendered called after each change of the display.
   */
  constructor(captions, history, now, onRendered = () => {}) {
    this.#captions = captions;
    this.#history = history;
    this.#now = now;
    this.#onRendered = onRendered;
  }

  /** Schedules the display of an entry's newest version; changes until then are rendered together. Ignores null. */
  update(entry) {
    if (entry === null) return;
    this.#changed.add(entry);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setTimeout(() => this.#render()); // not requestAnimationFrame, which never fires in a background page
  }

  /** Displays all entries again: names, the language of the interface or the option for times may have changed. */
  refresh({ hasTimes = this.#hasTimes } = {}) {
    this.#hasTimes = hasTimes;
    for (const entry of this.#captions.entries) this.update(entry);
  }

  #render() {
    this.#isScheduled = false;
    for (const entry of this.#changed) this.#renderEntry(entry);
    this.#changed.clear();
    this.#onRendered();
  }

  #renderEntry(entry) {
    let paragraph = this.#paragraphs.get(entry.key);
    if (!entry.isVisible) {
      paragraph?.root.remove();
      this.#paragraphs.delete(entry.key);
      this.#label(this.#captions.after(entry));
      return;
    }
    const isNew = paragraph === undefined;
    if (isNew) {
      paragraph = new Paragraph(entry);
      this.#paragraphs.set(entry.key, paragraph);
    }
    paragraph.update(entry);
    this.#label(entry);
    if (isNew) this.#label(this.#captions.after(entry));
    const parent = entry.isFinal ? this.#history : this.#now;
    if (paragraph.root.parentElement !== parent) parent.insertBefore(paragraph.root, this.#successor(entry, parent));
  }

  /** Labels a paragraph with its time, and with its speaker if another one spoke before. */
  #label(entry) {
    const before = entry && this.#captions.before(entry);
    const isTurn = entry?.kind === "words" && (before === null || before.kind === "gap" || before.channel !== entry.channel);
    this.#paragraphs.get(entry?.key)?.label({
      speaker: isTurn ? speakerOf(entry, this.#captions) : null,
      time: this.#hasTimes ? clockTime(entry.startS) : null,
    });
  }

  /** Returns the first element of the parent that belongs after the entry, or null. */
  #successor(entry, parent) {
    const { entries } = this.#captions;
    for (let n = entries.lastIndexOf(entry) + 1; n < entries.length; n++) {
      const root = this.#paragraphs.get(entries[n].key)?.root;
      if (root?.parentElement === parent) return root;
    }
    return null;
  }
}

class Paragraph {
  #label = null;
  #words = span("words");
  #tail = span("tail");
  #note = null;
  #revision;

  constructor(entry) {
    this.root = document.createElement("p");
    this.root.dir = "auto"; // from the first strong character
    this.root.dataset.key = entry.key;
    this.root.append(this.#words, this.#tail);
    this.#revision = entry.revision;
  }

  update(entry) {
    setText(this.#words, entry.stable);
    setText(this.#tail, entry.tail);
    if (entry.language !== null) this.root.lang = entry.language;
    this.#setNote(noteOf(entry), entry.stable ? " " : "");
    if (entry.revision > this.#revision) this.#highlight();
    this.#revision = entry.revision;
  }

  /** @param speaker `{name, color}` or null; @param time text or null. */
  label({ speaker, time }) {
    const label = speaker || time ? span("label") : null;
    if (speaker) {
      const name = span("speaker", speaker.name);
      name.dir = "auto";
      name.dataset.colour = speaker.channel % SPEAKER_COLOURS;
      if (speaker.color) name.style.setProperty("--speaker", speaker.color);
      label.append(name, " ");
    }
    if (time) label.append(span("time", time), " ");
    if (!isSame(label, this.#label)) {
      this.#label?.remove();
      this.#label = label;
      this.root.prepend(...(label ? [label] : []));
    }
  }

  #setNote(text, space) {
    const note = text && span("note", space + text);
    if (note) note.lang = language();
    if (!isSame(note, this.#note)) {
      this.#note?.remove();
      this.#note = note;
      this.root.append(...(note ? [note] : []));
    }
  }

  #highlight() {
    this.root.classList.add("corrected");
    setTimeout(() => this.root.classList.remove("corrected"), CORRECTED_MS);
  }
}

/** Returns who speaks in an entry, `{name, color, channel}`, or null in a session of one channel without a name. */
function speakerOf(entry, captions) {
  const known = captions.speakerOf(entry);
  if (known === null && entry.channel === null) return null;
  const channel = entry.channel ?? 0;
  return { channel, color: known?.color ?? null, name: known?.name ?? t("captions.channel", { number: channel + 1 }) };
}

/** Formats seconds of the session's audio, as a player does: `0:42`, `1:02:03`. */
function clockTime(seconds) {
  const whole = Math.floor(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (number) => String(number).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

function noteOf(entry) {
  if (entry.kind === "gap") return t("captions.gap", { count: Math.max(1, Math.round(entry.endS - entry.startS)) });
  return entry.error === null ? null : t("captions.missing");
}

function span(name, text = "") {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

function isSame(element, other) {
  return element?.outerHTML === other?.outerHTML;
}

/** Sets the text unless it is unchanged, which preserves the reader's selection. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
