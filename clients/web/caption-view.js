// Displays the transcript as paragraphs. A final paragraph changes only when the captioner corrects it; of any other,
// only the end changes until its final, which may correct it once.

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

  /**
   * @param captions the `Captions` to display; its messages are fed by another object.
   * @param history element for final text, `role="log"`.
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
      return;
    }
    if (paragraph === undefined) {
      paragraph = new Paragraph(entry);
      this.#paragraphs.set(entry.key, paragraph);
    }
    paragraph.update(entry);
    const parent = entry.isFinal ? this.#history : this.#now;
    if (paragraph.root.parentElement !== parent) parent.insertBefore(paragraph.root, this.#successor(entry, parent));
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
  #words = span("words");
  #tail = span("tail");
  #note = span("note");

  constructor(entry) {
    this.root = document.createElement("p");
    this.root.dir = "auto"; // from the first strong character
    if (entry.channel !== null) this.root.append(span("channel", `Channel ${entry.channel + 1}`), " ");
    this.root.append(this.#words, this.#tail);
  }

  update(entry) {
    setText(this.#words, entry.stable);
    setText(this.#tail, entry.tail);
    if (entry.language !== null) this.root.lang = entry.language;
    this.root.classList.toggle("corrected", entry.revision > 0);
    const note = noteOf(entry);
    if (note === null) this.#note.remove();
    else if (!this.#note.isConnected) this.root.append(this.#note);
    setText(this.#note, `${entry.stable ? " " : ""}${note ?? ""}`);
  }
}

function noteOf(entry) {
  if (entry.kind === "gap") return `[${Math.max(1, Math.round(entry.endS - entry.startS))} s of audio were lost]`;
  return entry.error === null ? null : "[words are missing]";
}

function span(name, text = "") {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}

/** Sets the text unless it is unchanged, which preserves the reader's selection. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Keeps the end of the page in view, unless the reader has scrolled away from it. */
export class AutoScroll {
  #button;
  #lastTop = 0;
  #isOn = true;

  /** @param button scrolls back to the end; hidden while the end is in view. */
  constructor(button) {
    this.#button = button;
    addEventListener("scroll", () => this.#scrolled(), { passive: true });
    addEventListener("resize", () => this.follow());
    new ResizeObserver(() => this.follow()).observe(document.body);
    button.addEventListener("click", () => {
      this.#setOn(true);
      this.follow();
    });
  }

  /** Scrolls to the end of the page, unless the reader has scrolled away. */
  follow() {
    if (!this.#isOn) return;
    const page = document.scrollingElement;
    page.scrollTop = page.scrollHeight;
    this.#lastTop = page.scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = document.scrollingElement;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 48; // about a line
    // the page may have grown since this scroll event: only scrolling up turns it off
    if (isAtEnd) this.#setOn(true);
    else if (scrollTop < this.#lastTop - 1) this.#setOn(false);
    this.#lastTop = scrollTop;
  }

  #setOn(isOn) {
    this.#isOn = isOn;
    this.#button.hidden = isOn;
  }
}
