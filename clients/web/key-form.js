// The API key that a gateway may require.

import { rememberKey, rememberedKey } from "./local-storage.js";
import { problemText } from "./problem-text.js";

const element = (id) => document.getElementById(id);

/** The form, hidden until a key is required. */
export class KeyForm {
  #problems;

  /**
   * @param {Problems} problems
   * @param {function(string): void} onKey called with a key that the user has entered; it is stored already.
   */
  constructor(problems, onKey) {
    this.#problems = problems;
    element("lock").addEventListener("submit", (event) => {
      event.preventDefault();
      const key = element("key").value.trim();
      rememberKey(key);
      element("key").value = "";
      element("lock").hidden = true;
      this.#problems.set("key", null);
      onKey(key);
    });
  }

  /** Asks for a key, or for another one because of a refusal. */
  ask(error) {
    this.#problems.set("key", rememberedKey() === null ? null : problemText(error));
    element("lock").hidden = false;
    element("key").focus();
  }
}
