// The captions of a session, or of a caption event: of one session after the other.

import { eventAddress } from "./addresses.js";
import { SessionEvents, State } from "./events.js";

const WAIT_S = 25; // of a long poll; proxies end idle requests after 30 s or more
const GRACE_MS = 10_000; // for its answer
const FIRST_RETRY_MS = 250;
const MAX_RETRY_MS = 5_000;
const MIN_POLL_MS = 1_000; // whatever the gateway answers

const STATES = { 401: State.FORBIDDEN, 403: State.FORBIDDEN, 404: State.NOT_FOUND, 503: State.FULL };

/** Receives the messages of what a page's URL names, across lost connections and, in a caption event, across sessions. */
export class Feed {
  #place;
  #on;
  #after;
  #sessionEvents = null;
  #session = null;
  #sessionState = null;
  #pollState = State.CONNECTING;
  #state = null;
  #retryMs = FIRST_RETRY_MS;
  #abort = null;
  #wake = () => {};

  /**
   * @param place as of `placeOf`.
   * @param on `session(id)` before the first message of each session, `message(message)`, `state(State)` after each
   *   change, `title(title)` of the caption event, which may be null.
   * @param after returns the sequence number of the last message that an earlier page received of a session; 0: none.
   */
  constructor(place, on, after = () => 0) {
    this.#place = place;
    this.#on = on;
    this.#after = after;
  }

  open() {
    if (this.#place.event === null) {
      this.#follow(this.#place.session);
    } else {
      addEventListener("online", () => {
        this.#abort?.abort();
        this.#wake();
      });
      document.addEventListener("visibilitychange", () => this.#wake());
      this.#poll();
    }
    this.#update();
  }

  #follow(session) {
    this.#sessionEvents?.close();
    this.#session = session;
    this.#on.session(session);
    const place = { session, token: this.#place.token };
    const onState = (state) => {
      this.#sessionState = state;
      this.#update();
    };
    this.#sessionEvents = new SessionEvents(place, this.#on.message, onState, this.#after(session));
    this.#sessionEvents.open();
  }

  async #poll() {
    for (;;) {
      const askedAt = performance.now();
      this.#pollState = await this.#ask();
      this.#update();
      if (this.#pollState === State.FORBIDDEN || this.#pollState === State.NOT_FOUND) return;
      if (this.#pollState !== State.WAITING) await this.#backOff();
      else if (document.visibilityState === "hidden" && this.#sessionState === State.LIVE) await this.#woken();
      else await this.#woken(askedAt + MIN_POLL_MS - performance.now());
    }
  }

  /** Waits for the next session of the caption event, and returns the state of the connection: `WAITING` if it is up. */
  async #ask() {
    this.#abort = new AbortController();
    const timeout = setTimeout(() => this.#abort.abort(), WAIT_S * 1_000 + GRACE_MS);
    const isFirst = this.#pollState !== State.WAITING;
    const address = eventAddress(this.#place, { after: this.#session, wait_s: isFirst ? 0 : WAIT_S });
    try {
      const response = await fetch(address, { cache: "no-store", signal: this.#abort.signal });
      if (!response.ok) return STATES[response.status] ?? State.LOST;
      const { title, session_id: session } = await response.json();
      this.#retryMs = FIRST_RETRY_MS;
      this.#on.title(title);
      if (session !== null && session !== this.#session) this.#follow(session);
      return State.WAITING;
    } catch {
      return State.LOST;
    } finally {
      clearTimeout(timeout);
      this.#abort = null;
    }
  }

  async #backOff() {
    const ms = this.#retryMs * (0.5 + Math.random());
    this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS);
    await this.#woken(ms);
  }

  /**
   * Waits that long, or until the browser is online or the page visible again.
   *
   * Without a limit, for a hidden page with a live session: browsers allow six connections per host, all tabs together.
   */
  async #woken(ms = Infinity) {
    let timeout;
    await new Promise((resolve) => {
      this.#wake = resolve;
      if (ms < Infinity) timeout = setTimeout(resolve, ms);
    });
    clearTimeout(timeout);
  }

  #update() {
    const state = this.#combined();
    if (state === this.#state) return;
    this.#state = state;
    this.#on.state(state);
  }

  /** A session that is over, or deleted, matters less than the connection on which the next one is awaited. */
  #combined() {
    if (this.#sessionState === null) return this.#pollState;
    const isGone = this.#sessionState === State.OVER || this.#sessionState === State.NOT_FOUND;
    if (!isGone || this.#place.event === null) return this.#sessionState;
    return this.#pollState === State.WAITING ? State.OVER : this.#pollState;
  }
}
