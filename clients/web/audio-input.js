// The chosen source of audio: a microphone or a tab, its level, and the list of microphones.

import { Capture, Source, microphones } from "./capture.js";
import { t } from "./i18n.js";
import { Level, Loudness } from "./level.js";
import { levelOf } from "./status-text.js";

const NOTICES = { [Loudness.QUIET]: "audio.quiet", [Loudness.LOUD]: "audio.loud" };

const element = (id) => document.getElementById(id);

/** Captures from the source that the fields `source` and `device` name, and displays its level. */
export class AudioInput {
  #capture = null;
  #isOpening = false;
  #level = new Level();
  #on;

  /**
   * @param {{audio: function(Int16Array, number): void, ended: function(string): void, changed: function(): void}} on
   *   as in `Capture.open`; `changed`: the user has chosen another source.
   */
  constructor(on) {
    this.#on = on;
    for (const id of ["source", "device"]) element(id).addEventListener("change", () => this.#change());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.listDevices());
    document.addEventListener("languagechange", () => this.listDevices());
    this.#showFields();
  }

  get isOpen() {
    return this.#capture !== null;
  }

  get rateHz() {
    return this.#capture.rateHz;
  }

  get source() {
    return element("source").value;
  }

  get deviceId() {
    return element("device").value;
  }

  /** Selects a source, as stored before a reload; a device that is gone leaves the browser's choice. */
  async select(source, deviceId) {
    element("source").value = source;
    this.#showFields();
    await this.listDevices();
    element("device").value = deviceId;
    if (element("device").selectedIndex < 0) element("device").value = "";
  }

  /**
   * Starts to capture, and returns whether it has; not while it already starts.
   *
   * @param {number|null} rateHz of a resumed session; null: the device's own.
   * @throws {CaptureFailed}
   */
  async open(rateHz) {
    if (this.#isOpening) return false;
    this.#isOpening = true;
    const on = { audio: (samples, peak) => this.#receive(samples, peak), ended: (reason) => this.#on.ended(reason) };
    try {
      this.#capture = await Capture.open({ source: this.source, deviceId: this.deviceId, rateHz, on });
    } finally {
      this.#isOpening = false;
    }
    element("device-name").textContent = this.source === Source.MICROPHONE ? this.#capture.label : "";
    this.listDevices(); // with permission, they have names
    return true;
  }

  /** Ends the capture, if any; all captured audio is delivered before this resolves. */
  async close() {
    const capture = this.#capture;
    this.#capture = null;
    this.#level = new Level();
    element("level").value = 0;
    element("level-notice").textContent = element("device-name").textContent = "";
    await capture?.close();
  }

  async listDevices() {
    const select = element("device");
    const chosen = select.value;
    const options = (await microphones()).map(({ id, label }) => new Option(label, id));
    select.replaceChildren(new Option(t("audio.default"), ""), ...options);
    select.value = chosen;
    if (select.selectedIndex < 0) select.value = "";
  }

  #receive(samples, peak) {
    element("level").value = levelOf(peak);
    const notice = NOTICES[this.#level.take(peak)];
    const text = notice === undefined ? "" : t(notice);
    if (element("level-notice").textContent !== text) element("level-notice").textContent = text;
    this.#on.audio(samples, peak);
  }

  #change() {
    this.#showFields();
    this.#on.changed();
  }

  #showFields() {
    element("device-field").hidden = this.source !== Source.MICROPHONE;
  }
}
