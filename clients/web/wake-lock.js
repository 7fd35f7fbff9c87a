// Keeps the screen on where the browser allows it: a phone stops the audio when its screen turns off.

/** A wake lock that is requested again when the page becomes visible. */
export class WakeLock {
  #isWanted = false;
  #lock = null;

  constructor() {
    document.addEventListener("visibilitychange", () => this.#request());
  }

  set isWanted(value) {
    if (value === this.#isWanted) return;
    this.#isWanted = value;
    if (value) this.#request();
    else this.#lock?.release();
  }

  async #request() {
    if (!this.#isWanted || document.visibilityState !== "visible") return;
    this.#lock = await navigator.wakeLock?.request("screen").catch(() => null);
  }
}
