// The resumable native connection (docs/protocol.md): one session of livecue, over as many WebSockets as it takes.
//
// Audio is kept until it is answered, and a while longer, since a gateway that was restarted goes back that far. A lost
// connection is made again with growing delays; the audio that was captured meanwhile follows. Nothing here needs a
// timer that is exact: call `tick` often, best with each piece of audio, for those also come in background tabs.

import { KeptSound, fromBase64, toBase64 } from "./replay-buffer.js";

/** How the session fares. */
export const Link = Object.freeze({
  CONNECTING: "connecting", // for the first time
  OPEN: "open",
  LOST: "lost", // and it is tried again
  LOCKED: "locked", // the gateway wants a key: `unlock`
  OVER: "over",
});

const KEPT_S = 120; // 60 s without a connection, an utterance of 40 s, and what a restarted gateway goes back
const KEPT_ANSWERED_S = 23; // how far a restarted gateway goes back
const SEND_AHEAD_S = 45; // docs/protocol.md, the send-ahead rule
const SAVED_S = 24; // of audio over a reload: at 48 kHz 3 million characters, of the 5 that a page may store
const MAX_BUFFERED_BYTES = 2 ** 20; // in the browser; the rest waits here
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5000;
const SILENT_MS = 10_000; // the gateway acknowledges each second of audio
const SILENT_FINALS_MS = 30_000; // finals that are due may take a while
const KEEPALIVE_MS = 15_000; // the gateway waits 60 s for a message

/** A session that outlives its connections. */
export class Session {
  #address;
  #start;
  #key;
  #on;
  #rateHz;
  #kept;
  #socket = null;
  #isReady = false;
  #id = null;
  #token = null;
  #seq = 0;
  #sent = 0;
  #received = 0;
  #processed = 0;
  #failures = 0;
  #retryAtMs = null;
  #openedAtMs = 0;
  #sentAtMs = 0;
  #heardAtMs = 0;
  #flush = null; // id of the flush that is not answered yet
  #flushes = 0;
  #isStopping = false;
  #hasSaidStop = false;
  #isFinished = false;
  #failure = null;

  /**
   * @param {object} options
   * @param {string} options.address of the WebSocket.
   * @param {object} options.start the options of the start message; `audio` must be pcm_s16le with one channel.
   * @param {string|null} options.key the gateway's key.
   * @param {object|null} options.saved what `save` returned before a reload; its session goes on.
   * @param {{message: function(object): void, link: function(object): void}} options.on `message` gets each message of
   *   the gateway once, `link` each change: {link, code, message}, code and message of what went wrong or null.
   */
  constructor({ address, start, key = null, saved = null, on }) {
    this.#address = address;
    this.#start = saved?.start ?? start;
    this.#key = key;
    this.#on = on;
    this.#rateHz = this.#start.audio.sample_rate_hz;
    this.#kept = new KeptSound(KEPT_S * this.#rateHz, saved?.from ?? 0);
    if (saved) {
      this.#id = saved.id;
      this.#token = saved.token;
      this.#isStopping = saved.isStopping;
      this.#kept.add(fromBase64(saved.sound));
      this.#sent = this.#kept.end;
    }
  }

  /** Id of the session; null before the gateway has named it. */
  get id() {
    return this.#id;
  }

  /** The rate of its audio. */
  get rateHz() {
    return this.#rateHz;
  }

  get isStopping() {
    return this.#isStopping;
  }

  /** Seconds of sound: `unsent` wait here, `behind` have been captured and have no final words yet. */
  get lag() {
    const end = this.#kept.end;
    const sent = this.#isReady ? this.#sent : Math.min(this.#received, end);
    return { unsent: (end - sent) / this.#rateHz, behind: Math.max(0, end - this.#processed) / this.#rateHz };
  }

  /** Connects. */
  open() {
    this.#tell(Link.CONNECTING);
    this.#connect();
  }

  /** Tries again with another key. */
  unlock(key) {
    this.#key = key;
    this.#tell(this.#id ? Link.LOST : Link.CONNECTING);
    this.#connect();
  }

  /** Takes the next sound: Int16Array, mono. */
  send(samples) {
    if (this.#isStopping) return;
    this.#kept.add(samples);
    this.#flush = null; // it meant the end of the audio, which is elsewhere now
    this.tick();
  }

  /** Ends the utterance that is being spoken, without waiting for silence. */
  flush() {
    this.#flushes += 1;
    this.#flush = { id: `flush-${this.#flushes}`, isSaid: false };
    this.#pump();
  }

  /** No more audio comes: the finals that are due follow, then the session is over. */
  stop() {
    this.#isStopping = true;
    this.#pump();
  }

  /** Gives up at once; the gateway ends the session after its grace. */
  abandon() {
    this.#isStopping = true;
    this.#end({ code: "abandoned", message: "the session was given up before all was answered" });
  }

  /** Does what is due: connects again, notices a dead connection, keeps a quiet one alive. */
  tick(nowMs = performance.now()) {
    if (this.#retryAtMs !== null && nowMs >= this.#retryAtMs) this.#connect();
    if (this.#socket === null) return;
    const silentMs = nowMs - (this.#isReady ? this.#heardAtMs : this.#openedAtMs);
    if (silentMs > this.#patienceMs()) {
      this.#drop("no_answer", "the gateway does not answer");
    } else if (this.#isReady && nowMs - this.#sentAtMs > KEEPALIVE_MS) {
      this.#say({ type: "keepalive" });
    }
    this.#pump();
  }

  /** Tries again now: the network is back. */
  retryNow() {
    if (this.#retryAtMs !== null) this.#connect();
  }

  /** Returns what must be stored for the session to go on after a reload, with so much audio; null where it cannot. */
  save(soundS = SAVED_S) {
    if (this.#token === null) return null;
    const { start, samples } = this.#kept.newest(soundS * this.#rateHz);
    const [id, token, isStopping] = [this.#id, this.#token, this.#isStopping];
    return { id, token, isStopping, start: this.#start, from: start, sound: toBase64(samples) };
  }

  #connect() {
    this.#retryAtMs = null;
    this.#isReady = false;
    this.#hasSaidStop = false;
    this.#openedAtMs = performance.now();
    const socket = new WebSocket(this.#address, subprotocols(this.#key));
    let wasOpen = false;
    this.#socket = socket;
    socket.onopen = () => {
      wasOpen = true;
      socket.send(JSON.stringify(this.#greeting()));
    };
    socket.onmessage = ({ data }) => this.#socket === socket && this.#hear(JSON.parse(data));
    socket.onclose = ({ reason }) => this.#socket === socket && this.#closed(wasOpen, reason);
  }

  #greeting() {
    if (this.#token === null) return { type: "start", ...this.#start, resumable: true };
    const [session_id, token] = [this.#id, this.#token];
    return { type: "resume", session_id, token, after_seq: this.#seq, held_sample: this.#kept.start };
  }

  #hear(message) {
    this.#heardAtMs = performance.now();
    if (message.type === "ready") this.#begin(message);
    else if (this.#isReady && message.seq <= this.#seq) return; // received before the connection was lost
    if (this.#isReady) this.#seq = message.seq; // a refusal is not of the session
    if (message.type === "ack") {
      this.#received = message.received_samples;
      this.#processed = message.processed_samples;
      this.#kept.forgetBefore(this.#processed - KEPT_ANSWERED_S * this.#rateHz);
    } else if (message.type === "flushed" && message.id === this.#flush?.id) {
      this.#flush = null;
    } else if (message.type === "finished") {
      this.#isFinished = true;
    } else if (message.type === "error" && message.fatal) {
      this.#failure = { code: message.code, message: message.message };
    }
    this.#on.message(message);
    this.#pump();
  }

  #begin(ready) {
    if (this.#id === null) this.#kept.recount();
    this.#id = ready.session_id;
    this.#token = ready.resume_token ?? null;
    const next = ready.next_sample ?? 0;
    if (next > this.#kept.end) this.#kept = new KeptSound(KEPT_S * this.#rateHz, next); // audio that died with the page
    this.#sent = Math.max(next, this.#kept.start);
    this.#received = this.#sent;
    this.#isReady = true;
    this.#failures = 0;
    this.#sentAtMs = performance.now();
    if (this.#flush) this.#flush.isSaid = false;
    this.#tell(Link.OPEN);
  }

  #pump() {
    if (!this.#isReady || this.#hasSaidStop) return;
    if (this.#kept.start > this.#sent) {
      this.#drop("sound_lost", "the connection was too slow for the sound, of which some is lost");
      return;
    }
    const ahead = SEND_AHEAD_S * this.#rateHz;
    while (this.#sent < this.#kept.end) {
      if (this.#socket.bufferedAmount > MAX_BUFFERED_BYTES || this.#sent - this.#processed > ahead) return;
      const samples = this.#kept.read(this.#sent, this.#rateHz);
      this.#sendNow(samples);
      this.#sent += samples.length;
    }
    if (this.#flush && !this.#flush.isSaid) {
      this.#flush.isSaid = true;
      this.#say({ type: "flush", id: this.#flush.id });
    }
    if (this.#isStopping) {
      this.#hasSaidStop = true;
      this.#say({ type: "stop" });
    }
  }

  #say(message) {
    this.#sendNow(JSON.stringify(message));
  }

  #sendNow(data) {
    const nowMs = performance.now();
    if (nowMs - this.#sentAtMs > SILENT_MS / 2) this.#heardAtMs = nowMs; // who is not spoken to need not answer
    this.#sentAtMs = nowMs;
    this.#socket.send(data);
  }

  #patienceMs() {
    if (!this.#isReady) return SILENT_MS;
    if (this.#sent - this.#received > 2 * this.#rateHz) return SILENT_MS;
    return this.#hasSaidStop || this.#flush?.isSaid ? SILENT_FINALS_MS : Infinity;
  }

  #drop(code, message) {
    const socket = this.#socket;
    this.#socket = null; // its goodbye may take long, and is of no interest
    socket.close();
    this.#retry({ code, message });
  }

  #closed(wasOpen, reason) {
    this.#socket = null;
    if (this.#isFinished || this.#failure) {
      this.#end(this.#failure);
    } else if (this.#id !== null && this.#token === null) {
      this.#end({ code: "connection_lost", message: "the connection was lost, and this session cannot go on" });
    } else {
      this.#retry({ code: reason || "connection_lost", message: "the connection to the gateway was lost" });
      if (!wasOpen) this.#askWhy();
    }
  }

  #retry(trouble) {
    this.#isReady = false;
    const delayMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#retryAtMs = performance.now() + delayMs * (0.5 + Math.random() / 2); // not all pages at once
    this.#tell(Link.LOST, trouble);
  }

  /** Asks by HTTP why the WebSocket was refused, which a page cannot see. */
  async #askWhy() {
    const url = new URL("/v1/sessions", this.#address.replace(/^ws/, "http"));
    const headers = this.#key === null ? {} : { authorization: `Bearer ${this.#key}` };
    let error;
    try {
      const answer = await fetch(url, { headers, cache: "no-store", signal: AbortSignal.timeout(SILENT_MS) });
      error = answer.ok ? null : (await answer.json()).error;
    } catch {
      return; // not there, or not ours
    }
    if (this.#isReady || this.#failure || !error) return;
    if (error.code === "unauthorized") {
      this.#leave();
      this.#tell(Link.LOCKED, error);
    } else if (error.code === "insufficient_credits") {
      this.#end(error);
    } else {
      this.#tell(Link.LOST, error);
    }
  }

  #leave() {
    this.#retryAtMs = null;
    this.#isReady = false;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #end(failure) {
    this.#leave();
    this.#token = null;
    this.#tell(Link.OVER, failure);
  }

  #tell(link, trouble) {
    this.#on.link({ link, code: trouble?.code ?? null, message: trouble?.message ?? null });
  }
}

/** Returns the WebSocket subprotocols that carry a key, since a page can set no headers. */
export function subprotocols(key) {
  if (key === null) return [];
  const base64 = btoa(String.fromCharCode(...new TextEncoder().encode(key)));
  return ["livecue", `livecue-key.${base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`];
}
