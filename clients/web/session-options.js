// What the user chooses for a session: its title, language, layout, vocabulary and names. Remembered in this browser.

import { ChannelNames } from "./channel-names.js";
import { rememberChoices, rememberedChoices } from "./local-storage.js";
import { engineLanguages, fillLanguages } from "./status-text.js";

const REMEMBERED = ["title", "language", "profile", "vocabulary"]; // ids of the fields

const element = (id) => document.getElementById(id);

/** The fields. */
export class SessionOptions {
  #languages = [];

  /** Whether the title and the names are those of another session than the next one, and not to be remembered. */
  isForeign = false;

  /** @param {function(): void} changed called when the title or a name is changed, which applies at once. */
  constructor(changed) {
    this.names = new ChannelNames(element("names"), () => {
      if (!this.isForeign) rememberChoices({ names: this.names.names });
      changed();
    });
    this.reset();
    for (const id of REMEMBERED) {
      element(id).addEventListener("change", () => this.#remember(id));
    }
    element("title").addEventListener("change", changed); // after it is remembered
    element("title").addEventListener("keydown", ({ key }) => key === "Enter" && element("title").blur());
    document.addEventListener("languagechange", () => fillLanguages(element("language"), this.#languages));
  }

  /** Offers the languages of the gateway's engine. */
  async listLanguages() {
    const chosen = element("language").value || rememberedChoices().language;
    this.#languages = await engineLanguages();
    fillLanguages(element("language"), this.#languages);
    select("language", chosen);
  }

  /** Restores what the user has chosen last. */
  reset() {
    this.isForeign = false;
    const choices = rememberedChoices();
    for (const id of ["title", "vocabulary"]) element(id).value = choices[id] ?? "";
    select("profile", choices.profile);
    this.names.names = choices.names ?? [];
  }

  get title() {
    return element("title").value.trim();
  }

  /** Displays the title and the names of a session; a field that is being edited stays as it is. */
  show({ title, names }) {
    if (element("title") !== document.activeElement) element("title").value = title ?? "";
    this.names.names = names;
  }

  /** Displays the language and the layout of a resumed session. */
  showStart(start) {
    select("language", start.language ?? "");
    select("profile", start.cues.profile);
  }

  /** The fields that are fixed while a session is open. */
  set isFixed(value) {
    for (const id of ["language", "profile", "vocabulary"]) element(id).disabled = value;
    element("fixed").hidden = !value;
  }

  /**
   * Returns the start message of a session.
   *
   * @param {number} rateHz of the audio, mono, 16 bits.
   * @param {object} more fields of the message.
   */
  start(rateHz, more = {}) {
    const audio = { encoding: "pcm_s16le", sample_rate_hz: rateHz, channels: 1 };
    const prompt = element("vocabulary").value.trim();
    const engine = prompt === "" ? {} : { engine: { prompt } };
    return { audio, language: element("language").value || null, cues: { profile: element("profile").value }, ...engine, ...more };
  }

  /** The title and the names, as the start message and `PATCH /v1/sessions/{id}` take them. */
  get details() {
    return { title: this.title || null, names: this.names.names };
  }

  #remember(id) {
    if (id !== "title" || !this.isForeign) rememberChoices({ [id]: element(id).value });
  }
}

/** Selects an option if there is one, else the first. */
function select(id, value) {
  const field = element(id);
  if (value === undefined) return;
  field.value = value;
  if (field.selectedIndex < 0) field.selectedIndex = 0;
}
