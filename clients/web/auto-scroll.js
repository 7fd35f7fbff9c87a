// Keeps the end of the page in view until its reader scrolls away.

const LINE_PX = 48; // about a line

export class AutoScroll {
  #onChange;
  #lastTop = 0;

  /** Whether the end of the page is kept in view. */
  isOn = true;

  /** @param onChange called when `isOn` has changed. */
  constructor(onChange) {
    this.#onChange = onChange;
    addEventListener("scroll", () => this.#scrolled(), { passive: true });
    addEventListener("resize", () => this.follow());
    new ResizeObserver(() => this.follow()).observe(document.body);
  }

  /** Scrolls to the end of the page, unless the reader has scrolled away. */
  follow() {
    if (!this.isOn) return;
    const page = document.scrollingElement;
    page.scrollTop = page.scrollHeight;
    this.#lastTop = page.scrollTop;
  }

  /** Scrolls to the end of the page, and keeps it in view again. */
  resume() {
    this.#setOn(true);
    this.follow();
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = document.scrollingElement;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < LINE_PX;
    // the page may have grown since this scroll event: only scrolling up turns it off
    if (isAtEnd) this.#setOn(true);
    else if (scrollTop < this.#lastTop - 1) this.#setOn(false);
    this.#lastTop = scrollTop;
  }

  #setOn(isOn) {
    if (isOn === this.isOn) return;
    this.isOn = isOn;
    this.#onChange();
  }
}
