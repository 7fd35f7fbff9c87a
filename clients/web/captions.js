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

function keyOf({ channel, utterance_id }) {
  return `${channel ?? ""}/${utterance_id}`;
}

/**
 * One utterance, or a gap in the audio.
 *
 * - `key`: the same in all versions of the entry.
 * - `kind`: "words", or "gap" for lost audio.
 * - `channel`: number, or null in a session with one channel.
 * - `utteranceId`: number of the utterance in its channel, or null for a gap.
 * - `startS`, `endS`: seconds of the session's audio; `endS` is null while the utterance is in progress.
 * - `stable`: committed words, which only the final may correct; `tail`: words that may still change, with the space
 *   before them.
 * - `isFinal`: the entry no longer changes, unless the captioner corrects it.
 * - `revision`: of the captioner's newest correction; 0: the text is the engine's.
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
    this.startS = message.start_s;
    this.endS = null;
    this.stable = "";
    this.tail = "";
    this.isFinal = false;
    this.revision = 0;
    this.error = null;
    this.language = null;
  }

  /** Returns an entry with the fields of another one, but without cues. */
  static restore(fields) {
    return Object.assign(new Entry(fields.key, fields.kind, {}), fields);
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
  correction({ seq, revision, text, cues }) {
    if (!this.isFinal || seq <= this.#correctionSeq) return false;
    this.#correctionSeq = seq;
    this.#cues = new Map(cues.map((cue) => [cue.id, cue]));
    this.stable = text;
    this.revision = revision;
    this.error = null;
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
  #names = new Map(); // channel → {name, color}
  #finalSeq = 0; // of the newest message that `saved` covers

  /** The session's title, or null. */
  title = null;
  /** Whether the session is finished. */
  isFinished = false;
  /** The highest sequence number received, for `after` and `after_seq`. */
  seq = 0;

  /** Entries ordered by time, including those without words (yet): see `isVisible`. */
  get entries() {
    return this.#entries;
  }

  /** Returns the entry with a key, or undefined. */
  find(key) {
    return this.#byKey.get(key);
  }

  /** Whether an utterance is open or its final outstanding. */
  get isPending() {
    return !this.isFinished && this.#entries.some((entry) => !entry.isFinal);
  }

  /** Whether several channels have names, so that each text needs one. */
  get hasSpeakers() {
    return this.#names.size > 1;
  }

  /** Returns the name and colour of an entry's channel, `{name, color}`, or null. A session of one channel has number 0. */
  speakerOf(entry) {
    return this.#names.get(entry.channel ?? 0) ?? null;
  }

  /** Returns the visible entry before another one, or null. */
  before(entry) {
    let index = this.#entries.lastIndexOf(entry) - 1;
    while (index >= 0 && !this.#entries[index].isVisible) index--;
    return this.#entries[index] ?? null;
  }

  /** Returns the visible entry after another one, or null. */
  after(entry) {
    const { length } = this.#entries;
    let index = this.#entries.lastIndexOf(entry) + 1;
    while (index < length && !this.#entries[index].isVisible) index++;
    return this.#entries[index] ?? null;
  }

  /** The final text, a line per utterance, as the gateway's transcript has it. */
  get text() {
    const entries = this.#entries.filter(({ isFinal, stable }) => isFinal && stable);
    const prefix = (entry) => (this.hasSpeakers ? `${this.speakerOf(entry)?.name ?? ""}: `.replace(/^: /, "") : "");
    return entries.map((entry) => `${prefix(entry)}${entry.stable}\n`).join("");
  }

  /** The final texts and the names as JSON can represent them, for `restore`. */
  get saved() {
    const entries = this.#entries.filter(({ isFinal }) => isFinal).map((entry) => ({ ...entry }));
    return { seq: this.#finalSeq, language: this.#language, title: this.title, names: [...this.#names], entries };
  }

  /** Returns the transcript of `saved`, without cues. The messages after its `seq` continue it. */
  static restore({ seq, language, title, names, entries }) {
    const captions = new Captions();
    captions.seq = captions.#finalSeq = seq;
    captions.#language = language;
    captions.title = title;
    captions.#names = new Map(names);
    captions.#entries = entries.map((fields) => Entry.restore(fields));
    captions.#byKey = new Map(captions.#entries.map((entry) => [entry.key, entry]));
    return captions;
  }

  /** Applies a parsed message of the gateway, and returns the entry it changed, or null. */
  take(message) {
    this.seq = Math.max(this.seq, message.seq ?? 0);
    if (["final", "correction", "details", "gap"].includes(message.type)) this.#finalSeq = this.seq;
    switch (message.type) {
      case "ready":
        this.#language = message.language ?? null;
        return null;
      case "details":
        this.title = message.title;
        this.#names = new Map(message.names.map(({ channel, name, color }) => [channel, { name, color }]));
        return null;
      case "speech_started":
        this.#utterance(message);
        return null; // nothing to display yet
      case "cue":
        return this.#changed(message, (entry) => entry.cue(message));
      case "final":
        return this.#changed(message, (entry) => entry.final(message));
      case "correction":
        return this.#has(message) ? this.#changed(message, (entry) => entry.correction(message)) : null; // it was discarded
      case "gap":
        return this.#gap(message);
      case "finished":
        this.isFinished = true;
        return null;
      default:
        return null; // newer gateways may send other types
    }
  }

  /**
   * Returns the last lines of the cues for roll-up captions, oldest first.
   *
   * Each is `{stable, tail, speaker}`. `speaker` is as of `speakerOf` in the first line of what another one than before
   * says, else null.
   */
  lastLines(count) {
    const lines = [];
    for (let n = this.#entries.length - 1; n >= 0 && lines.length < count; n--) {
      const entry = this.#entries[n];
      const isTurn = this.before(entry)?.channel !== entry.channel;
      const speaker = this.hasSpeakers && isTurn ? this.speakerOf(entry) : null;
      lines.unshift(...entry.lines.map((line, index) => ({ ...line, speaker: index === 0 ? speaker : null })));
    }
    return lines.slice(-count);
  }

  /** Discards the final entries: roll-up captions do not need them once they are off the screen. */
  discardFinals() {
    for (const entry of this.#entries.filter((entry) => entry.isFinal)) this.#byKey.delete(entry.key);
    this.#entries = this.#entries.filter((entry) => !entry.isFinal);
  }

  #changed(message, apply) {
    const entry = this.#utterance(message);
    return apply(entry) ? entry : null;
  }

  #has(message) {
    return this.#byKey.has(keyOf(message));
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
