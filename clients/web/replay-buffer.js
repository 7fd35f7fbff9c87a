// Audio that may have to be sent again: sample frames, counted since the session's first one. PURE.
//
// It is bounded: what is longer loses its oldest part.

export class KeptSound {
  #pieces = []; // { start, samples }, in order and without a hole
  #maxFrames;
  #end;

  /**
   * @param {number} maxFrames so much is kept.
   * @param {number} start frame of the first audio that will be added.
   */
  constructor(maxFrames, start = 0) {
    this.#maxFrames = maxFrames;
    this.#end = start;
  }

  /** The first frame that is kept; `end` where there is none. */
  get start() {
    return this.#pieces.length ? this.#pieces[0].start : this.#end;
  }

  /** The frame after the last one. */
  get end() {
    return this.#end;
  }

  /** Keeps more audio; its oldest part goes where there is no room. */
  add(samples) {
    if (samples.length === 0) return;
    this.#pieces.push({ start: this.#end, samples });
    this.#end += samples.length;
    this.forgetBefore(this.#end - this.#maxFrames);
  }

  /** Forgets what lies before a frame. */
  forgetBefore(frame) {
    const pieces = this.#pieces;
    let gone = 0;
    while (gone < pieces.length && pieces[gone].start + pieces[gone].samples.length <= frame) gone += 1;
    pieces.splice(0, gone);
    if (pieces.length && pieces[0].start < frame) {
      pieces[0] = { start: frame, samples: pieces[0].samples.subarray(frame - pieces[0].start) };
    }
  }

  /** Returns audio from a kept frame on, at least one frame and at most so many. */
  read(frame, maxFrames) {
    const piece = this.#pieces.findLast(({ start }) => start <= frame);
    return piece.samples.subarray(frame - piece.start, frame - piece.start + maxFrames);
  }

  /** Returns the newest audio in one, at most so many frames. */
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

  /** Counts the frames anew: the first one that is kept becomes frame 0. */
  recount() {
    const shift = this.start;
    for (const piece of this.#pieces) piece.start -= shift;
    this.#end -= shift;
  }
}

/** Returns 16-bit samples as base64 of their little-endian bytes. */
export function toBase64(samples) {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  const step = 2 ** 15; // as many arguments as a call may have
  let text = "";
  for (let at = 0; at < bytes.length; at += step) text += String.fromCharCode(...bytes.subarray(at, at + step));
  return btoa(text);
}

/** Returns the 16-bit samples of such base64. */
export function fromBase64(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  return new Int16Array(bytes.buffer);
}
