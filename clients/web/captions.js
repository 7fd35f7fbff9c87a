// The transcript of a session, built from the gateway's messages (docs/protocol.md). PURE: no page, no clock, no network.

// Scripts without spaces, as in `gateway/captions/line_breaking.py`: Chinese and Japanese, Thai, Lao, Burmese, Khmer.
const UNSPACED =
  "[\\u2e80-\\u312f\\u3190-\\u9fff\\uf900-\\ufaff\\ufe30-\\ufe4f\\uff01-\\uffef\\u{20000}-\\u{3ffff}" +
  "\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff]";
const ENDS_UNSPACED = new RegExp(`${UNSPACED}$`, "u");
const STARTS_UNSPACED = new RegExp(`^${UNSPACED}`, "u");

/** Joins two lines as `join_lines` of the gateway does: with a space, except in scripts without spaces. */
function join(left, right) {
  if (!left || !right) return left + right;
  return left + (ENDS_UNSPACED.test(left) || STARTS_UNSPACED.test(right) ? "" : " ") + right;
}

/** Splits a text after `count` code points; JavaScript strings count UTF-16 units. */
function split(text, count) {
  const points = [...text];
  return [points.slice(0, count).join(""), points.slice(count).join("")];
}

/** Returns the lines of a cue message, each split into its stable part and its tail. */
function linesOf(cue) {
  let stableLeft = cue.state === "final" ? Infinity : cue.stable_chars;
  return cue.lines.map((line) => {
    const [stable, tail] = split(line, Math.max(0, stableLeft));
    stableLeft -= [...line].length + 1; // the newline counts
    return { stable, tail };
  });
}

/**
 * One utterance, or a gap in the audio.
 *
 * - `key`: the same in all versions of the entry.
 * - `kind`: "words", or "gap" for lost audio.
 * - `channel`: number, or null in a session with one channel.
 * - `utteranceId`: number of the utterance in its channel, or null for a gap.
 * - `revision`: of the captioner's newest correction; 0: the text is the engine's.
 * - `startS`, `endS`: seconds of the session's audio; `endS` is null while the utterance is in progress.
 * - `stable`: committed words, which only the final may correct; `tail`: words that may still change, with the space
 *   before them.
 * - `isFinal`: the entry no longer changes, but by corrections.
 * - `error`: why words are missing, or null.
 * - `language`: ISO-639-1, or null if unknown.
 */
class Entry {
  #cues = new Map();
  #correctionSeq = 0;

  constructor(key, kind, message) {
    this.key = key;
    this.kind = kind;
    this.channel = message.channel ?? null;
    this.utteranceId = message.utterance_id ?? null;
    this.revision = 0;
    this.startS = message.start_s;
    this.endS = null;
    this.stable = "";
    this.tail = "";
    this.isFinal = false;
    this.error = null;
    this.language = null;
  }

  /** Its cues' lines in the order of their times, each `{stable, tail}`. */
  get lines() {
    return this.#ordered().flatMap(linesOf);
  }

  /** Whether there is anything to display. */
  get isVisible() {
    return this.kind === "gap" || this.error !== null || this.stable + this.tail !== "";
  }

  cue(message) {
    const known = this.#cues.get(message.id);
    if (this.isFinal || (known && known.revision >= message.revision)) return false;
    this.#cues.set(message.id, message);
    let words = "";
    this.stable = "";
    let isStable = true;
    for (const { stable, tail } of this.lines) {
      if (isStable && stable) this.stable = join(words, stable);
      isStable &&= !tail;
      words = join(words, stable + tail);
    }
    this.tail = words.slice(this.stable.length);
    return true;
  }

  final(message) {
    if (this.isFinal) return false;
    // a final's own cues arrive before it; any other cue dates from before a restart of the gateway
    for (const [id, cue] of this.#cues) if (cue.state !== "final") this.#cues.delete(id);
    this.stable = message.text;
    this.tail = "";
    this.isFinal = true;
    this.endS = message.end_s;
    this.error = message.error ?? null;
    this.language = message.language ?? this.language;
    return true;
  }

  /** Applies a correction, which replaces all cues; it may remove the words, and a later one bring them back. */
  correction(message) {
    if (!this.isFinal || message.seq <= this.#correctionSeq) return false;
    this.#correctionSeq = message.seq;
    this.#cues = new Map(message.cues.map((cue) => [cue.id, cue]));
    this.stable = message.text;
    this.revision = message.revision;
    this.error = null;
    return true;
  }

  #ordered() {
    return [...this.#cues.values()].sort((a, b) => a.start_s - b.start_s);
  }
}

function keyOf(message) {
  return `${message.channel ?? ""}/${message.utterance_id}`;
}

/** The transcript of a session. Messages may arrive twice; each is applied once. */
export class Captions {
  #entries = [];
  #byKey = new Map();
  #language = null;

  /** Whether the session is finished. */
  isFinished = false;
  /** The highest sequence number received, for `after` and `after_seq`. */
  seq = 0;

  /** Entries ordered by time, including those without words (yet): see `isVisible`. */
  get entries() {
    return this.#entries;
  }

  /** Whether an utterance is open or its final outstanding. */
  get isPending() {
    return !this.isFinished && this.#entries.some((entry) => !entry.isFinal);
  }

  /** Applies a parsed message of the gateway, and returns the entry it changed, or null. */
  take(message) {
    this.seq = Math.max(this.seq, message.seq ?? 0);
    switch (message.type) {
      case "ready":
        this.#language = message.language ?? null;
        return null;
      case "speech_started":
        this.#utterance(message);
        return null; // nothing to display yet
      case "cue": {
        const entry = this.#utterance(message);
        return entry.cue(message) ? entry : null;
      }
      case "final": {
        const entry = this.#utterance(message);
        return entry.final(message) ? entry : null;
      }
      case "correction": {
        const entry = this.#byKey.get(keyOf(message)); // unknown if it was discarded, and is off the screen
        return entry?.correction(message) ? entry : null;
      }
      case "gap":
        return this.#gap(message);
      case "finished":
        this.isFinished = true;
        return null;
      default:
        return null; // newer gateways may send other types
    }
  }

  /** Returns the last lines of the cues for roll-up captions, oldest first, each `{stable, tail}`. */
  lastLines(count) {
    const lines = [];
    for (let n = this.#entries.length - 1; n >= 0 && lines.length < count; n--) {
      lines.unshift(...this.#entries[n].lines);
    }
    return lines.slice(-count);
  }

  /** Discards the final entries: roll-up captions do not need them once they are off the screen. */
  discardFinals() {
    for (const entry of this.#entries.filter((entry) => entry.isFinal)) this.#byKey.delete(entry.key);
    this.#entries = this.#entries.filter((entry) => !entry.isFinal);
  }

  #utterance(message) {
    const key = keyOf(message);
    return this.#byKey.get(key) ?? this.#add(new Entry(key, "words", message));
  }

  #gap(message) {
    const key = `gap/${message.channel ?? ""}/${message.start_s}`;
    if (this.#byKey.has(key)) return null;
    const entry = this.#add(new Entry(key, "gap", message));
    entry.endS = message.end_s;
    entry.isFinal = true;
    return entry;
  }

  /** Inserts an entry by its time: with several channels, or after a gap, entries may arrive out of order. */
  #add(entry) {
    entry.language = this.#language;
    let index = this.#entries.length;
    while (index > 0 && this.#entries[index - 1].startS > entry.startS) index--;
    this.#entries.splice(index, 0, entry);
    this.#byKey.set(entry.key, entry);
    return entry;
  }
}
