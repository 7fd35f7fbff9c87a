// The caption event: an address for viewers that outlives sessions (docs/watching.md).

import { Refused, request } from "./api.js";
import { rememberEvent, rememberedEvent } from "./local-storage.js";

/** As the gateway checks it. */
export const EVENT_NAME = /^[a-z0-9][a-z0-9-]{2,63}$/;

const RANDOM_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"; // without those that look alike, since people type it
const RANDOM_LENGTH = 6;
const RENEWED_BEFORE_S = 86_400; // an address that is handed out today is valid tomorrow

/** The event of this browser. */
export class CaptionEvent {
  #record;
  #isOpen = false;

  constructor() {
    this.#record = rememberedEvent() ?? { name: `live-${randomName()}`, path: null, expires_at: null };
  }

  /** Its name, part of its address. */
  get name() {
    return this.#record.name;
  }

  /** Path of its viewer page, with a view token if the gateway requires one; null: it is not open. */
  get path() {
    return this.#isOpen ? this.#record.path : null;
  }

  /** Whether the gateway has it: sessions can be recorded under it. */
  get isOpen() {
    return this.#isOpen;
  }

  /**
   * Creates the event at the gateway, or changes its title. Its path remains the same while its token is valid.
   *
   * @param {string} title "": none.
   * @param {string} name of the event, if another one is to become that of this browser.
   * @throws {Refused}
   */
  async open(title, name = this.name) {
    const isKept = name === this.name && this.#record.path !== null && !expiresSoon(this.#record.expires_at);
    if (!isKept || !(await isTitled(name, title))) {
      const answer = await request(`/v1/events/${name}`, { method: "PUT", body: { title: title || null } });
      if (!isKept) this.#record = { name, path: answer.url, expires_at: answer.expires_at };
    }
    this.#isOpen = true;
    rememberEvent(this.#record);
  }
}

/** Returns whether the gateway has the event with that title: a change would create another view token. */
async function isTitled(name, title) {
  try {
    return ((await request(`/v1/events/${name}`)).title ?? "") === title;
  } catch (error) {
    if (error instanceof Refused && error.status === 404) return false;
    throw error;
  }
}

/** Returns a name that the gateway accepts, from what a user has typed. PURE. */
export function eventNameFrom(text) {
  const ascii = text.normalize("NFKD").replace(/\p{Mark}/gu, "").toLowerCase();
  return ascii.replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64);
}

function expiresSoon(expires_at) {
  return expires_at !== null && expires_at - Date.now() / 1000 < RENEWED_BEFORE_S;
}

function randomName() {
  const numbers = crypto.getRandomValues(new Uint8Array(RANDOM_LENGTH));
  return Array.from(numbers, (number) => RANDOM_LETTERS[number % RANDOM_LETTERS.length]).join("");
}
