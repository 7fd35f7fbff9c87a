// Names and colours of the channels, or of the one speaker, in the settings and in place.

import { t } from "./i18n.js";
import { editInPlace } from "./inline-editor.js";

const MAX_CHARS = 80; // as the gateway checks it
const COLORS = ["#0b4fb3", "#b3460b", "#1f7a3d", "#7a2fa0", "#a0124a", "#0a6f75", "#6b5b00", "#4a4f59"];

/**
 * The list of names; there is a line for channel 0, and for each other channel once it is known.
 *
 * @typedef {{channel: number, name: string, color: string|null}} ChannelName
 */
export class ChannelNames {
  #list;
  #changed;
  #lines = new Map(); // channel → {name, color}: its two fields

  /**
   * @param {HTMLElement} list `<ul>`
   * @param {function(): void} changed called when the user has changed a name or a colour.
   */
  constructor(list, changed) {
    this.#list = list;
    this.#changed = changed;
    this.know(0);
    document.addEventListener("languagechange", () => this.#relabel());
  }

  /** The names, as the gateway takes them: an `ChannelName` for each channel that has one. */
  get names() {
    const lines = [...this.#lines].sort(([left], [right]) => left - right);
    const named = lines.map(([channel, { name, color }]) => ({ channel, name: name.value.trim(), color: color.value }));
    return named.filter(({ name }) => name !== "");
  }

  /** @param {ChannelName[]} names replaces all. */
  set names(names) {
    for (const { name } of this.#lines.values()) name.value = "";
    for (const { channel, name, color } of names) {
      this.know(channel);
      const fields = this.#lines.get(channel);
      if (fields.name !== document.activeElement) fields.name.value = name;
      if (color) fields.color.value = color;
    }
  }

  /** Adds a line for a channel, unless there is one. */
  know(channel) {
    if (this.#lines.has(channel)) return;
    const fields = { name: field("text"), color: field("color") };
    fields.name.maxLength = MAX_CHARS;
    fields.name.dir = "auto";
    fields.color.value = COLORS[channel % COLORS.length];
    for (const input of Object.values(fields)) input.addEventListener("change", () => this.#changed());
    const line = document.createElement("li");
    line.append(fields.color, fields.name);
    this.#lines.set(channel, fields);
    this.#list.append(line);
    this.#relabel();
  }

  /** Changes the name of a channel in the place of its label. */
  editAt(label, channel) {
    this.know(channel);
    const { name } = this.#lines.get(channel);
    const save = async (text) => {
      name.value = text;
      this.#changed();
      return null;
    };
    editInPlace(label, { label: t("names.rename"), text: name.value, maxLength: MAX_CHARS, save, closed: () => {} });
  }

  #relabel() {
    for (const [channel, { name, color }] of this.#lines) {
      const number = channel + 1;
      name.placeholder = this.#lines.size === 1 ? t("names.speaker") : t("captions.channel", { number });
      name.setAttribute("aria-label", t("names.name", { number }));
      color.setAttribute("aria-label", t("names.color", { number }));
    }
  }
}

function field(type) {
  return Object.assign(document.createElement("input"), { type, autocomplete: "off" });
}
