// The events of one session for viewers, received as server-sent events until the session ends.

/** State of the connection. */
export const State = Object.freeze({
  CONNECTING: "connecting",
  LIVE: "live",
  LOST: "lost", // and retried
  FULL: "full", // the gateway has too many viewers; retried
  OVER: "over", // all events have been received
  NOT_FOUND: "not_found",
  FORBIDDEN: "forbidden", // no view token, or one that is wrong or has expired
});

const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;

/** A session may be missing while its gateway restarts, and its client has a minute to reconnect. */
const MISSED_FOR_MS = 90_000;

/** A phone that changes networks may never detect that the old connection is dead; keepalives raise no event here. */
const MAX_SILENCE_MS = 45_000;

/** Returns the URL of a session's resource, with the page's own view token. */
export function sessionAddress(place, name, query = {}) {
  const given = Object.entries({ ...query, token: place.token }).filter(([, value]) => value !== null);
  const search = new URLSearchParams(given).toString();
  return `/v1/sessions/${encodeURIComponent(place.session)}/${name}${search && "?" + search}`;
}

/** Returns the session and token that a page's URL names: `/watch/SESSION?token=…`. */
export function placeOf(location) {
  return {
    session: decodeURIComponent(location.pathname.replace(/^.*\/watch\//, "")),
    token: new URLSearchParams(location.search).get("token"),
  };
}

/** Receives a session's messages, each once and in order, across lost connections and restarts of the gateway. */
export class SessionEvents {
  #place;
  #onMessage;
  #onState;
  #source = null;
  #seq = 0;
  #retryMs = FIRST_RETRY_MS;
  #retry = null;
  #watchdog = null;
  #missedSince = null;
  #isFinished = false;
  #isClosed = false;

  /**
   * @param place `{session, token}`; `token` may be null.
   * @param onMessage called with each message of docs/protocol.md.
   * @param onState called with a `State` whenever it may have changed.
   */
  constructor(place, onMessage, onState) {
    this.#place = place;
    this.#onMessage = onMessage;
    this.#onState = onState;
  }

  open() {
    this.#onState(State.CONNECTING);
    addEventListener("online", () => this.#connect());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && this.#source?.readyState !== EventSource.OPEN) this.#connect();
    });
    this.#connect();
  }

  #connect() {
    if (this.#isClosed) return;
    clearTimeout(this.#retry);
    this.#source?.close();
    const source = new EventSource(sessionAddress(this.#place, "events", this.#seq ? { after: this.#seq } : {}));
    this.#source = source;
    source.onopen = () => {
      this.#retryMs = FIRST_RETRY_MS;
      this.#missedSince = null;
      this.#watch();
      this.#onState(State.LIVE);
    };
    source.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    source.onerror = () => {
      if (source !== this.#source) return;
      if (this.#isFinished) return this.#end(State.OVER);
      const isRefused = source.readyState === EventSource.CLOSED;
      source.close(); // an EventSource retries after three seconds, and never after a refusal
      if (isRefused) this.#fetchRefusal();
      else this.#retryLater(State.LOST);
    };
    this.#watch();
  }

  #receive(message) {
    this.#watch();
    if (message.seq <= this.#seq) return;
    this.#seq = message.seq;
    this.#onMessage(message);
    if (message.type === "finished") this.#finish();
  }

  /** Waits for the end of the stream: corrections of a session that has ended come after its last event. */
  #finish() {
    this.#isFinished = true;
    this.#onState(State.OVER);
  }

  #watch() {
    clearTimeout(this.#watchdog);
    this.#watchdog = setTimeout(() => (this.#isFinished ? this.#end(State.OVER) : this.#connect()), MAX_SILENCE_MS);
  }

  /** Fetches the same URL to get the reason of a refusal: an EventSource does not report it. */
  async #fetchRefusal() {
    const abort = new AbortController();
    const address = sessionAddress(this.#place, "events", { after: this.#seq });
    const status = await fetch(address, { cache: "no-store", signal: abort.signal }).then(
      (response) => response.status,
      () => 0,
    );
    abort.abort();
    if (status === 204) return this.#end(State.OVER);
    if (status === 401 || status === 403) return this.#end(State.FORBIDDEN);
    if (status === 404 || status === 400) return this.#miss();
    this.#retryLater(status === 503 ? State.FULL : State.LOST);
  }

  #miss() {
    if (this.#seq === 0) return this.#end(State.NOT_FOUND);
    this.#missedSince ??= Date.now();
    if (Date.now() - this.#missedSince > MISSED_FOR_MS) this.#end(State.OVER);
    else this.#retryLater(State.LOST);
  }

  #retryLater(state) {
    clearTimeout(this.#watchdog);
    this.#onState(state);
    this.#retry = setTimeout(() => this.#connect(), this.#retryMs * (0.5 + Math.random()));
    this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS);
  }

  #end(state) {
    this.#isClosed = true;
    clearTimeout(this.#watchdog);
    clearTimeout(this.#retry);
    this.#source.close();
    this.#onState(state);
  }
}
