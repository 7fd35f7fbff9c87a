// Judges the level of captured audio. PURE.

const FRAMES = 100; // 5 s
const QUIET_PEAK = 0.002; // −54 dB of full scale
const CLIPPED_PEAK = 0.99;
const CLIPPED_FRAMES = 5; // a cough or a knock clips fewer

/** How loud audio is. */
export const Loudness = Object.freeze({ QUIET: "quiet", GOOD: "good", LOUD: "loud" });

/** The level of the last five seconds. */
export class Level {
  #peaks = [];

  /** Takes the peak of the next frame, 0 to 1, and returns a `Loudness`. */
  take(peak) {
    this.#peaks.push(peak);
    if (this.#peaks.length > FRAMES) this.#peaks.shift();
    if (this.#peaks.filter((one) => one >= CLIPPED_PEAK).length >= CLIPPED_FRAMES) return Loudness.LOUD;
    const isQuiet = this.#peaks.length === FRAMES && this.#peaks.every((one) => one < QUIET_PEAK);
    return isQuiet ? Loudness.QUIET : Loudness.GOOD;
  }
}
