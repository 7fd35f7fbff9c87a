// Audio kept for retransmission, indexed by sample frames since the start of the session. PURE.
//
// It is bounded: beyond its limit, the oldest audio is dropped.

export class ReplayBuffer {
  #pieces = []; // { start, samples }, in order and contiguous
  #maxFrames;
  #end;

  /**
   * @param {number} maxFrames limit of the kept audio.
   * @param {number} start index of the first frame to be added.
   */
  constructor(maxFrames, start = 0) {
    this.#maxFrames = maxFrames;
    this.#end = start;
  }

  /** Index of the first kept frame; `end` if the buffer is empty. */
  get start() {
    return this.#pieces.length ? this.#pieces[0].start : this.#end;
  }

  /** Index after the last frame. */
  get end() {
    return this.#end;
  }

  /** Appends audio, and drops the oldest beyond the limit. */
  add(samples) {
    if (samples.length === 0) return;
    this.#pieces.push({ start: this.#end, samples });
    this.#end += samples.length;
    this.discardBefore(this.#end - this.#maxFrames);
  }

  /** Discards the audio before a frame. */
  discardBefore(frame) {
    const pieces = this.#pieces;
    let count = 0;
    while (count < pieces.length && pieces[count].start + pieces[count].samples.length <= frame) count += 1;
    pieces.splice(0, count);
    if (pieces.length && pieces[0].start < frame) {
      pieces[0] = { start: frame, samples: pieces[0].samples.subarray(frame - pieces[0].start) };
    }
  }

  /** Returns audio starting at a kept frame: at least one frame, at most `maxFrames`. */
  read(frame, maxFrames) {
    const piece = this.#pieces.findLast(({ start }) => start <= frame);
    return piece.samples.subarray(frame - piece.start, frame - piece.start + maxFrames);
  }

  /** Returns the newest audio in one array, at most `maxFrames`. */
  newest(maxFrames) {
    const start = Math.max(this.start, this.#end - maxFrames);
    const samples = new Int16Array(this.#end - start);
    for (let at = 0; at < samples.length; ) {
      const read = this.read(start + at, samples.length - at);
      samples.set(read, at);
      at += read.length;
    }
    return { start, samples };
  }

  /** Renumbers the frames: the first kept one becomes frame 0. */
  renumber() {
    const shift = this.start;
    for (const piece of this.#pieces) piece.start -= shift;
    this.#end -= shift;
  }
}

/** Returns 16-bit samples as base64 of their little-endian bytes. */
export function toBase64(samples) {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  const step = 2 ** 15; // a call takes a limited number of arguments
  let text = "";
  for (let at = 0; at < bytes.length; at += step) text += String.fromCharCode(...bytes.subarray(at, at + step));
  return btoa(text);
}

/** Decodes what `toBase64` returns. */
export function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Int16Array(bytes.buffer);
}
