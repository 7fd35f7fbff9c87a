// The audio of a file, decoded by the browser, and its transfer to a session.

import { CaptureFailed } from "./capture.js";
import { t } from "./i18n.js";

const RATE_HZ = 16_000; // that of the gateway's core
const MAX_BYTES = 2 ** 30; // a browser decodes the whole file in memory: an hour of stereo takes half a GiB
const PIECE_S = 1;
const MAX_LAG_S = 40; // below the 45 s of docs/protocol.md, the send-ahead rule

/** The decoded audio, read piece by piece. */
export class AudioFile {
  #channels;
  #position = 0;

  constructor(name, channels) {
    this.name = name;
    this.#channels = channels;
  }

  /**
   * Decodes a file.
   *
   * @param {File} file audio, or video with audio, in a format that the browser supports.
   * @throws {CaptureFailed}
   */
  static async open(file) {
    if (file.size > MAX_BYTES) throw new CaptureFailed(t("file.too_large", { gigabytes: MAX_BYTES / 2 ** 30 }));
    let audio;
    try {
      audio = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await file.arrayBuffer());
    } catch {
      throw new CaptureFailed(t("file.unreadable", { name: file.name }));
    }
    const channels = Array.from({ length: audio.numberOfChannels }, (_, index) => audio.getChannelData(index));
    return new AudioFile(file.name, channels);
  }

  get rateHz() {
    return RATE_HZ;
  }

  get durationS() {
    return this.#channels[0].length / RATE_HZ;
  }

  get isAtEnd() {
    return this.#position >= this.#channels[0].length;
  }

  /** Returns the next audio, mono, at most that many samples. */
  read(maxSamples) {
    const start = this.#position;
    this.#position = Math.min(start + maxSamples, this.#channels[0].length);
    const samples = new Int16Array(this.#position - start);
    for (let index = 0; index < samples.length; index += 1) {
      let sum = 0;
      for (const channel of this.#channels) sum += channel[start + index];
      samples[index] = Math.max(-32768, Math.min(32767, Math.round((sum / this.#channels.length) * 32768)));
    }
    return samples;
  }

  /** Sends the next audio to a session as far as the send-ahead rule allows, and ends the session after the last. */
  feed(session) {
    while (!this.isAtEnd && session.backlog.lagS < MAX_LAG_S) session.send(this.read(PIECE_S * RATE_HZ));
    if (this.isAtEnd && !session.isStopping) session.stop();
  }

  /** Returns how much of the file is transcribed, 0 to 1. */
  progress(session) {
    const sentS = this.#position / RATE_HZ;
    return Math.max(0, sentS - session.backlog.lagS) / this.durationS;
  }
}
