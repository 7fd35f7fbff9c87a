// A test of the audio before the start: a session without viewers, which is deleted afterwards.

import { request, sessionPath, streamAddress } from "./api.js";
import { Link, Session } from "./connection.js";
import { t } from "./i18n.js";
import { rememberedKey } from "./local-storage.js";

const TICK_MS = 1_000;

/** One test, of an input that is open. */
export class MicrophoneTest {
  #session;
  #on;
  #link = Link.CONNECTING;
  #isOver = false;

  /**
   * @param {object} start start message, with a title that marks the session until it is deleted.
   * @param {{message: function(object): void, link: function(object): void}} on as of `Session`; no longer called once
   *   the test is over.
   */
  constructor(start, on) {
    this.#on = on;
    const handlers = { message: (message) => this.#receive(message), link: (change) => this.#linkChanged(change) };
    const options = { address: streamAddress(), key: rememberedKey(), on: handlers };
    this.#session = new Session({ ...options, start: { ...start, title: t("captioner.test_title") } });
    this.#session.open();
  }

  /** State of the connection, a `Link`. */
  get link() {
    return this.#link;
  }

  send(samples) {
    this.#session.send(samples);
  }

  tick() {
    this.#session.tick();
  }

  retryNow() {
    this.#session.retryNow();
  }

  unlock(key) {
    this.#session.unlock(key);
  }

  /** Ends the test; the gateway then deletes its words. */
  end() {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#session.stop();
    const interval = setInterval(() => {
      if (this.#session.isOver) clearInterval(interval);
      else this.#session.tick();
    }, TICK_MS);
  }

  #receive(message) {
    if (!this.#isOver) this.#on.message(message);
  }

  #linkChanged(change) {
    this.#link = change.link;
    if (change.link === Link.OVER && this.#session.id !== null) this.#delete();
    if (!this.#isOver) this.#on.link(change);
  }

  async #delete() {
    try {
      await request(sessionPath(this.#session.id), { method: "DELETE" });
    } catch {
      // without a journal nothing is kept, and a key may lack the scope: it then remains in the history
    }
  }
}
