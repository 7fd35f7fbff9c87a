// A test of the microphone before the start: a session without viewers, which is deleted afterwards.

import { request, sessionPath } from "./api.js";
import { Link, Session } from "./connection.js";

/** One test. */
export class MicrophoneTest {
  #session;
  #on;
  #isOver = false;

  /**
   * @param {object} options as of `Session`: its address, start message and key.
   * @param {{message: function(object): void, link: function(object): void}} on as of `Session`; no longer called once
   *   the test is over.
   */
  constructor(options, on) {
    this.#on = on;
    const handlers = { message: (message) => this.#receive(message), link: (change) => this.#linkChanged(change) };
    this.#session = new Session({ ...options, on: handlers });
    this.#session.open();
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

  /** Ends the test; its words are then deleted at the gateway. */
  end() {
    this.#isOver = true;
    this.#session.stop();
    const interval = setInterval(() => {
      if (this.#session.isOver) clearInterval(interval);
      else this.#session.tick();
    }, 1_000);
  }

  #receive(message) {
    if (!this.#isOver) this.#on.message(message);
  }

  #linkChanged(change) {
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
