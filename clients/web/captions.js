// The transcript of a session, from the gateway's messages (docs/protocol.md). PURE: no page, no clock, no network.

// As `gateway/linebreak.py` has them: Chinese and Japanese, Thai, Lao, Burmese, Khmer.
const UNSPACED =
  "[\\u2e80-\\u312f\\u3190-\\u9fff\\uf900-\\ufaff\\ufe30-\\ufe4f\\uff01-\\uffef\\u{20000}-\\u{3ffff}" +
  "\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff]";
const ENDS_UNSPACED = new RegExp(`${UNSPACED}$`, "u");
const STARTS_UNSPACED = new RegExp(`^${UNSPACED}`, "u");

/** Scripts without spaces are joined with nothing, as `join_lines` of the gateway does. */
function join(left, right) {
  if (!left || !right) return left + right;
  return left + (ENDS_UNSPACED.test(left) || STARTS_UNSPACED.test(right) ? "" : " ") + right;
}

/** Returns the first `count` code points of a text, and the rest: JavaScript counts UTF-16 units. */
function split(text, count) {
  const points = [...text];
  return [points.slice(0, count).join(""), points.slice(count).join("")];
}

/** Returns lines with what of each may still change, of a cue message. */
function linesOf(cue) {
  let left = cue.state === "final" ? Infinity : cue.stable_chars;
  return cue.lines.map((line) => {
    const [stable, tail] = split(line, Math.max(0, left));
    left -= [...line].length + 1; // the newline counts
    return { stable, tail };
  });
}

/**
 * One utterance, or a gap in the audio.
 *
 * - `key`: the same in all its versions.
 * - `kind`: "words", or "gap" where audio was lost.
 * - `channel`: number, or null in a session that has one only.
 * - `startS`, `endS`: seconds of the session's audio; `endS` is null while it is being spoken.
 * - `stable`: words that stay, unless the final corrects them; `tail`: words that may change sooner, with the space
 *   before them.
 * - `isFinal`: nothing of it changes any more.
 * - `error`: why words are missing, or null.
 * - `language`: ISO-639-1, or null where that is not known.
 */
class Entry {
  #cues = new Map();

  constructor(key, kind, message) {
    this.key = key;
    this.kind = kind;
    this.channel = message.channel ?? null;
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

  /** Whether there is something to show. */
  get isShown() {
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
    // the cues of a final have come before it; any other is from before a restart of the gateway
    for (const [id, cue] of this.#cues) if (cue.state !== "final") this.#cues.delete(id);
    this.stable = message.text;
    this.tail = "";
    this.isFinal = true;
    this.endS = message.end_s;
    this.error = message.error ?? null;
    this.language = message.language ?? this.language;
    return true;
  }

  #ordered() {
    return [...this.#cues.values()].sort((a, b) => a.start_s - b.start_s);
  }
}

/** The transcript of a session. Messages may arrive twice; each is applied once. */
export class Captions {
  #entries = [];
  #byKey = new Map();
  #language = null;

  /** Whether the session is finished. */
  isFinished = false;
  /** The newest number of a message, for `after` and `after_seq`. */
  seq = 0;

  /** Entries in the order of their times; those that have no words (yet) are among them, see `isShown`. */
  get entries() {
    return this.#entries;
  }

  /** Whether an utterance is open or its final outstanding. */
  get isPending() {
    return !this.isFinished && this.#entries.some((entry) => !entry.isFinal);
  }

  /** Takes one message of the gateway, parsed. Returns the entry that it has changed, or null. */
  take(message) {
    this.seq = Math.max(this.seq, message.seq ?? 0);
    switch (message.type) {
      case "ready":
        this.#language = message.language ?? null;
        return null;
      case "speech_started":
        this.#utterance(message);
        return null; // it shows nothing yet
      case "cue": {
        const entry = this.#utterance(message);
        return entry.cue(message) ? entry : null;
      }
      case "final": {
        const entry = this.#utterance(message);
        return entry.final(message) ? entry : null;
      }
      case "gap":
        return this.#gap(message);
      case "finished":
        this.isFinished = true;
        return null;
      default:
        return null; // newer gateways may send more
    }
  }

  /** Returns the last lines of the cues, oldest first, each `{stable, tail}`, as captions that roll up show them. */
  lastLines(count) {
    const lines = [];
    for (let n = this.#entries.length - 1; n >= 0 && lines.length < count; n--) {
      lines.unshift(...this.#entries[n].lines);
    }
    return lines.slice(-count);
  }

  /** Forgets what is final: captions that roll up have no use for it once it is off the screen. */
  forgetFinals() {
    for (const entry of this.#entries.filter((entry) => entry.isFinal)) this.#byKey.delete(entry.key);
    this.#entries = this.#entries.filter((entry) => !entry.isFinal);
  }

  #utterance(message) {
    const key = `${message.channel ?? ""}/${message.utterance_id}`;
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

  /** Who came late gets them in another order than they were spoken: with several channels, and after a gap. */
  #add(entry) {
    entry.language = this.#language;
    let place = this.#entries.length;
    while (place > 0 && this.#entries[place - 1].startS > entry.startS) place--;
    this.#entries.splice(place, 0, entry);
    this.#byKey.set(entry.key, entry);
    return entry;
  }
}
