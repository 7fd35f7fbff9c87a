// The resumable native connection (docs/protocol.md): one session over any number of WebSockets.
//
// Audio is kept until it is processed, and a while longer, because a restarted gateway rewinds. After a lost connection
// the client reconnects with back-off, and sends the audio captured meanwhile. No exact timer is needed: call `tick`
// often, best with each frame of audio, because frames also arrive in background tabs.

import { ReplayBuffer, fromBase64, toBase64 } from "./replay-buffer.js";

/** State of the connection. */
export const Link = Object.freeze({
  CONNECTING: "connecting", // for the first time
  OPEN: "open",
  LOST: "lost", // and retried
  LOCKED: "locked", // the gateway requires a key: `unlock`
  OVER: "over",
});

const KEPT_S = 120; // 60 s without a connection, an utterance of 40 s, and the rewind of a restarted gateway
const KEPT_PROCESSED_S = 23; // a restarted gateway rewinds by at most that
const SEND_AHEAD_S = 45; // docs/protocol.md, the send-ahead rule
const SAVED_S = 24; // audio kept across a reload: 3 million characters at 48 kHz, of the 5 million a page may store
const MAX_BUFFERED_BYTES = 2 ** 20; // in the browser's send buffer; the rest stays in ours
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 5000;
const ACK_TIMEOUT_MS = 10_000; // the gateway acknowledges each second of audio
const FINALS_TIMEOUT_MS = 30_000; // outstanding finals may take a while
const KEEPALIVE_MS = 15_000; // the gateway waits 60 s for a message

/** A session that outlives its connections. */
export class Session {
  #address;
  #start;
  #key;
  #on;
  #rateHz;
  #buffer;
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
  #receivedAtMs = 0;
  #flush = null; // the outstanding one: {id, isSent}
  #flushes = 0;
  #isStopping = false;
  #hasSentStop = false;
  #isFinished = false;
  #isOver = false;
  #failure = null;

  /**
   * @param {object} options
   * @param {string} options.address of the WebSocket.
   * @param {object} options.start the options of the start message; `audio` must be pcm_s16le with one channel.
   * @param {string|null} options.key the gateway's key.
   * @param {object|null} options.saved return value of `save` before a reload, to resume that session.
   * @param {{message: function(object): void, link: function(object): void}} options.on `message` is called once with
   *   each message of the gateway; `link` with each change of state: {link, code, message}, where code and message
   *   describe the problem, or are null.
   */
  constructor({ address, start, key = null, saved = null, on }) {
    this.#address = address;
    this.#start = saved?.start ?? start;
    this.#key = key;
    this.#on = on;
    this.#rateHz = this.#start.audio.sample_rate_hz;
    this.#buffer = new ReplayBuffer(KEPT_S * this.#rateHz, saved?.from ?? 0);
    if (saved) {
      this.#id = saved.id;
      this.#token = saved.token;
      this.#isStopping = saved.isStopping;
      this.#buffer.add(fromBase64(saved.audio));
      this.#sent = this.#buffer.end;
    }
  }

  /** Id of the session; null until the gateway has assigned it. */
  get id() {
    return this.#id;
  }

  /** Sample rate of the audio. */
  get rateHz() {
    return this.#rateHz;
  }

  get isStopping() {
    return this.#isStopping;
  }

  /** Whether nothing more is sent or received. */
  get isOver() {
    return this.#isOver;
  }

  /** Backlog in seconds: `unsentS` of audio are not sent yet, `lagS` are captured and have no final yet. */
  get backlog() {
    const end = this.#buffer.end;
    const sent = this.#isReady ? this.#sent : Math.min(this.#received, end);
    return { unsentS: (end - sent) / this.#rateHz, lagS: Math.max(0, end - this.#processed) / this.#rateHz };
  }

  /** Connects. */
  open() {
    this.#notify(Link.CONNECTING);
    this.#connect();
  }

  /**
   * Retries with another key.
   *
   * @param {object} more options of the start message that were unknown without the key; of no effect on a session that
   *   has begun.
   */
  unlock(key, more = {}) {
    this.#key = key;
    if (this.#token === null) this.#start = { ...this.#start, ...more };
    this.#notify(this.#id ? Link.LOST : Link.CONNECTING);
    this.#connect();
  }

  /** Queues the next audio: Int16Array, mono. */
  send(samples) {
    if (this.#isStopping) return;
    this.#buffer.add(samples);
    this.#flush = null; // an unanswered flush applied to the former end of the audio
    this.tick();
  }

  /** Ends the current utterance without waiting for silence. */
  flush() {
    this.#flushes += 1;
    this.#flush = { id: `flush-${this.#flushes}`, isSent: false };
    this.#pump();
  }

  /** Ends the audio: the outstanding finals follow, then the session is over. */
  stop() {
    this.#isStopping = true;
    this.#pump();
  }

  /** Gives up at once; the gateway ends the session after its grace period. */
  abandon() {
    this.#isStopping = true;
    this.#end({ code: "abandoned", message: "the session was abandoned before all audio was transcribed" });
  }

  /** Does what is due: reconnects, detects a dead connection, keeps an idle one alive. */
  tick(nowMs = performance.now()) {
    if (this.#retryAtMs !== null && nowMs >= this.#retryAtMs) this.#connect();
    if (this.#socket === null) return;
    const quietMs = nowMs - (this.#isReady ? this.#receivedAtMs : this.#openedAtMs);
    if (quietMs > this.#timeoutMs()) {
      this.#drop("no_answer", "the gateway does not respond");
    } else if (this.#isReady && nowMs - this.#sentAtMs > KEEPALIVE_MS) {
      this.#sendMessage({ type: "keepalive" });
    }
    this.#pump();
  }

  /** Retries at once: the network is back. */
  retryNow() {
    if (this.#retryAtMs !== null) this.#connect();
  }

  /** Returns the state to resume from after a reload, with that much audio; null if the session cannot be resumed. */
  save(audioS = SAVED_S) {
    if (this.#token === null) return null;
    const { start, samples } = this.#buffer.newest(audioS * this.#rateHz);
    const [id, token, isStopping] = [this.#id, this.#token, this.#isStopping];
    return { id, token, isStopping, start: this.#start, from: start, audio: toBase64(samples) };
  }

  #connect() {
    this.#retryAtMs = null;
    this.#isReady = false;
    this.#hasSentStop = false;
    this.#openedAtMs = performance.now();
    const socket = new WebSocket(this.#address, subprotocols(this.#key));
    let wasOpen = false;
    this.#socket = socket;
    socket.onopen = () => {
      wasOpen = true;
      socket.send(JSON.stringify(this.#firstMessage()));
    };
    socket.onmessage = ({ data }) => this.#socket === socket && this.#receive(JSON.parse(data));
    socket.onclose = ({ reason }) => this.#socket === socket && this.#closed(wasOpen, reason);
  }

  #firstMessage() {
    if (this.#token === null) return { type: "start", ...this.#start, resumable: true };
    const [session_id, token] = [this.#id, this.#token];
    return { type: "resume", session_id, token, after_seq: this.#seq, held_sample: this.#buffer.start };
  }

  #receive(message) {
    this.#receivedAtMs = performance.now();
    if (message.type === "ready") this.#handleReady(message);
    else if (this.#isReady && message.seq <= this.#seq) return; // received before the connection was lost
    if (this.#isReady) this.#seq = message.seq; // a refusal is not part of the session
    if (message.type === "ack") {
      this.#received = message.received_samples;
      this.#processed = message.processed_samples;
      this.#buffer.discardBefore(this.#processed - KEPT_PROCESSED_S * this.#rateHz);
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

  #handleReady(ready) {
    if (this.#id === null) this.#buffer.renumber();
    this.#id = ready.session_id;
    this.#token = ready.resume_token ?? null;
    const next = ready.next_sample ?? 0;
    if (next > this.#buffer.end) this.#buffer = new ReplayBuffer(KEPT_S * this.#rateHz, next); // the audio in between was lost with the page
    this.#sent = Math.max(next, this.#buffer.start);
    this.#received = this.#sent;
    this.#isReady = true;
    this.#failures = 0;
    this.#sentAtMs = performance.now();
    if (this.#flush) this.#flush.isSent = false;
    this.#notify(Link.OPEN);
  }

  #pump() {
    if (!this.#isReady || this.#hasSentStop) return;
    if (this.#buffer.start > this.#sent) {
      this.#drop("audio_lost", "the connection was too slow; unsent audio was dropped");
      return;
    }
    const ahead = SEND_AHEAD_S * this.#rateHz;
    while (this.#sent < this.#buffer.end) {
      if (this.#socket.bufferedAmount > MAX_BUFFERED_BYTES || this.#sent - this.#processed > ahead) return;
      const samples = this.#buffer.read(this.#sent, this.#rateHz);
      this.#sendRaw(samples);
      this.#sent += samples.length;
    }
    if (this.#flush && !this.#flush.isSent) {
      this.#flush.isSent = true;
      this.#sendMessage({ type: "flush", id: this.#flush.id });
    }
    if (this.#isStopping) {
      this.#hasSentStop = true;
      this.#sendMessage({ type: "stop" });
    }
  }

  #sendMessage(message) {
    this.#sendRaw(JSON.stringify(message));
  }

  #sendRaw(data) {
    const nowMs = performance.now();
    if (nowMs - this.#sentAtMs > ACK_TIMEOUT_MS / 2) this.#receivedAtMs = nowMs; // no response was due while nothing was sent
    this.#sentAtMs = nowMs;
    this.#socket.send(data);
  }

  #timeoutMs() {
    if (!this.#isReady) return ACK_TIMEOUT_MS;
    if (this.#sent - this.#received > 2 * this.#rateHz) return ACK_TIMEOUT_MS;
    return this.#hasSentStop || this.#flush?.isSent ? FINALS_TIMEOUT_MS : Infinity;
  }

  #drop(code, message) {
    const socket = this.#socket;
    this.#socket = null; // its close may take long, and does not matter
    socket.close();
    this.#retry({ code, message });
  }

  #closed(wasOpen, reason) {
    this.#socket = null;
    if (this.#isFinished || this.#failure) {
      this.#end(this.#failure);
    } else if (this.#id !== null && this.#token === null) {
      this.#end({ code: "not_resumable", message: "the connection was lost, and this session cannot be resumed" });
    } else {
      this.#retry({ code: reason || "connection_lost", message: "the connection to the gateway was lost" });
      if (!wasOpen) this.#fetchRefusal();
    }
  }

  #retry(problem) {
    this.#isReady = false;
    const delayMs = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#retryAtMs = performance.now() + delayMs * (0.5 + Math.random() / 2); // jitter, so that pages do not reconnect all at once
    this.#notify(Link.LOST, problem);
  }

  /** Requests the reason of a refusal over HTTP: the WebSocket API does not expose it. */
  async #fetchRefusal() {
    const url = new URL("/v1/sessions", this.#address.replace(/^ws/, "http"));
    const key = this.#key;
    const headers = key === null ? {} : { authorization: `Bearer ${key}` };
    let error;
    try {
      const response = await fetch(url, { headers, cache: "no-store", signal: AbortSignal.timeout(ACK_TIMEOUT_MS) });
      error = response.ok ? null : (await response.json()).error;
    } catch {
      return; // unreachable, or not a gateway
    }
    if (this.#isReady || this.#failure || !error || this.#key !== key) return; // `unlock` may have been called meanwhile
    if (error.code === "unauthorized") {
      this.#disconnect();
      this.#notify(Link.LOCKED, error);
    } else if (error.code === "insufficient_credits") {
      this.#end(error);
    } else {
      this.#notify(Link.LOST, error);
    }
  }

  #disconnect() {
    this.#retryAtMs = null;
    this.#isReady = false;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #end(failure) {
    this.#disconnect();
    this.#token = null;
    this.#isOver = true;
    this.#notify(Link.OVER, failure);
  }

  #notify(link, problem) {
    this.#on.link({ link, code: problem?.code ?? null, message: problem?.message ?? null });
  }
}

/** Returns the WebSocket subprotocols that carry a key: a page cannot set headers. */
export function subprotocols(key) {
  if (key === null) return [];
  const base64 = btoa(String.fromCharCode(...new TextEncoder().encode(key)));
  return ["livecue", `livecue-key.${base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "")}`];
}
