// What is wrong at the moment, for the user: one text per topic, displayed together.

/** Displays problems in one element; it is hidden while there are none. */
export class Problems {
  #element;
  #texts = new Map();

  /** @param {HTMLElement} element `role="alert"`. */
  constructor(element) {
    this.#element = element;
  }

  /** Clears all problems. */
  clear() {
    this.#texts.clear();
    this.#show();
  }

  /** Displays a problem with a topic, such as "audio" or "link"; null clears it. */
  set(topic, text) {
    this.#texts.set(topic, text);
    this.#show();
  }

  #show() {
    const all = [...this.#texts.values()].filter(Boolean).map(sentence).join(" ");
    this.#element.hidden = all === "";
    if (this.#element.textContent !== all) this.#element.textContent = all; // an alert is announced when it changes
  }
}

/** Returns a message of the gateway as a sentence. */
export function sentence(message) {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}
