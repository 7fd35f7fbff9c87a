// Displays the transcript as paragraphs. Those that are final never change; of the others only the end does,
// until the final, which may correct them once.

/**
 * Keeps two elements up to date: what is final goes to the history, which screen readers read out when it grows, and
 * the text that is being spoken stays below it, unread, until it is final.
 */
export class CaptionView {
  #captions;
  #history;
  #now;
  #paragraphs = new Map();
  #changed = new Set();
  #onShown;
  #isDue = false;

  /**
   * @param captions a `Captions`, to which another object feeds the messages.
   * @param history element for what is final, `role="log"`.
   * @param now element right after it.
   * @param onShown called after a change is displayed.
   */
  constructor(captions, history, now, onShown = () => {}) {
    this.#captions = captions;
    this.#history = history;
    this.#now = now;
    this.#onShown = onShown;
  }

  /** Shows an entry's newest version soon, with all others that change until then; null: nothing. */
  show(entry) {
    if (entry === null) return;
    this.#changed.add(entry);
    if (this.#isDue) return;
    this.#isDue = true;
    setTimeout(() => this.#render()); // and not with the next frame: a page in the background has none
  }

  #render() {
    this.#isDue = false;
    for (const entry of this.#changed) this.#update(entry);
    this.#changed.clear();
    this.#onShown();
  }

  #update(entry) {
    let shown = this.#paragraphs.get(entry.key);
    if (!entry.isShown) {
      shown?.root.remove();
      this.#paragraphs.delete(entry.key);
      return;
    }
    if (shown === undefined) {
      shown = new Paragraph(entry);
      this.#paragraphs.set(entry.key, shown);
    }
    shown.update(entry);
    const parent = entry.isFinal ? this.#history : this.#now;
    if (shown.root.parentElement !== parent) parent.insertBefore(shown.root, this.#successor(entry, parent));
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

  constructor(entry) {
    this.root = document.createElement("p");
    this.root.dir = "auto"; // by its first words
    if (entry.channel !== null) this.root.append(span("channel", `Channel ${entry.channel + 1}`), " ");
    this.root.append(this.#words, this.#tail);
  }

  update(entry) {
    put(this.#words, entry.stable);
    put(this.#tail, entry.tail);
    if (entry.language !== null) this.root.lang = entry.language;
    const note = noteOf(entry);
    if (note !== null && this.root.querySelector(".note") === null) {
      this.root.append(entry.stable ? " " : "", span("note", note));
    }
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

/** What has not changed is left alone, so that a reader's selection stays. */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Keeps the end of the page in view, unless the reader has scrolled away from it. */
export class Following {
  #button;
  #lastTop = 0;
  #isOn = true;

  /** @param button brings the reader back; it is hidden while there is nothing to bring back from. */
  constructor(button) {
    this.#button = button;
    addEventListener("scroll", () => this.#scrolled(), { passive: true });
    addEventListener("resize", () => this.follow());
    new ResizeObserver(() => this.follow()).observe(document.body);
    button.addEventListener("click", () => {
      this.#turn(true);
      this.follow();
    });
  }

  /** Shows the end of the page, where that is wanted. */
  follow() {
    if (!this.#isOn) return;
    const page = document.scrollingElement;
    page.scrollTop = page.scrollHeight;
    this.#lastTop = page.scrollTop;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = document.scrollingElement;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 48; // about a line
    // the page may have grown since the scrolling that this tells of: only who goes up wants to stay
    if (isAtEnd) this.#turn(true);
    else if (scrollTop < this.#lastTop - 1) this.#turn(false);
    this.#lastTop = scrollTop;
  }

  #turn(isOn) {
    this.#isOn = isOn;
    this.#button.hidden = isOn;
  }
}
