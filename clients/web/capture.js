// Captures the audio of a microphone or a tab.

import { t } from "./i18n.js";

const MAX_RATE_HZ = 48_000; // of the gateway
const RUNNING_WITHIN_MS = 1000; // otherwise the browser requires a click first
const LAST_WITHIN_MS = 500; // an unplugged device delivers nothing more

/** Sources of audio. */
export const Source = Object.freeze({ MICROPHONE: "microphone", TAB: "tab" });

/** Audio cannot be captured; the message is for the user. */
export class CaptureFailed extends Error {}

/** A running capture. */
export class Capture {
  #context;
  #stream;
  #collector = null;
  #on;

  constructor(context, stream, on) {
    this.#context = context;
    this.#stream = stream;
    this.#on = on;
  }

  /** The rate of the audio. */
  get rateHz() {
    return this.#context.sampleRate;
  }

  /** Id of the device in use, also if the browser chose it. */
  get deviceId() {
    return this.#stream.getAudioTracks()[0].getSettings().deviceId ?? "";
  }

  /** Name of the device, as the browser has it; that of a tab is an internal address. */
  get label() {
    return this.#stream.getAudioTracks()[0].label;
  }

  /**
   * Starts to capture.
   *
   * @param {object} options
   * @param {string} options.source one of `Source`.
   * @param {string} options.deviceId of the microphone; "": the browser's choice.
   * @param {number|null} options.rateHz of a resumed session; null: the device's own.
   * @param {{audio: function(Int16Array, number): void, ended: function(string): void}} options.on `audio` is called
   *   with each frame of 50 ms and its peak, 0 to 1; `ended` with the reason why the capture ended.
   * @throws {CaptureFailed}
   */
  static async open({ source, deviceId = "", rateHz = null, on }) {
    if (!navigator.mediaDevices) {
      throw new CaptureFailed(t("audio.insecure"));
    }
    const stream = await (source === Source.TAB ? tabAudio() : microphone(deviceId));
    let capture = null;
    try {
      capture = new Capture(await runningContext(rateHz), stream, on);
      await capture.#connect(source);
    } catch (error) {
      capture?.#context.close();
      for (const track of stream.getTracks()) track.stop();
      throw error instanceof CaptureFailed ? error : new CaptureFailed(t("audio.unusable", { reason: error.message }));
    }
    return capture;
  }

  /** Ends the capture; all captured audio is delivered before this resolves. */
  async close() {
    const last = new Promise((resolve) => (this.#on = { ...this.#on, last: resolve, ended: () => {} }));
    this.#collector.port.postMessage("end");
    await Promise.race([last, new Promise((resolve) => setTimeout(resolve, LAST_WITHIN_MS))]);
    for (const track of this.#stream.getTracks()) track.stop();
    await this.#context.close();
  }

  async #connect(source) {
    await this.#context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url));
    this.#collector = new AudioWorkletNode(this.#context, "frame-collector", { numberOfOutputs: 0 });
    this.#collector.port.onmessage = ({ data }) => {
      if (data.isLast) this.#on.last();
      else this.#on.audio(data.samples, data.peak);
    };
    const [track] = this.#stream.getAudioTracks();
    track.onended = () => this.#on.ended(endedMessage(source));
    this.#context.onstatechange = () => {
      if (this.#context.state === "suspended" || this.#context.state === "interrupted") {
        this.#on.ended(t("audio.suspended"));
      }
    };
    this.#context.createMediaStreamSource(this.#stream).connect(this.#collector);
  }
}

/** Returns the microphones, each {id, label}; without permission, their names are unknown. */
export async function microphones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices
    .filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== "")
    .map(({ deviceId, label }, index) => ({ id: deviceId, label: label || t("audio.microphone", { number: index + 1 }) }));
}

/** Returns whether the page may use the microphone without asking again. */
export async function hasPermission() {
  try {
    return (await navigator.permissions.query({ name: "microphone" })).state === "granted";
  } catch {
    return false; // the browser does not know this permission
  }
}

async function microphone(deviceId) {
  // unprocessed: voices from the loudspeakers are captioned too
  const processing = { echoCancellation: false, noiseSuppression: false, autoGainControl: true };
  const device = deviceId ? { deviceId: { exact: deviceId } } : {};
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { ...processing, ...device } });
  } catch (error) {
    throw new CaptureFailed(refusalMessage(error, await hasMicrophone()));
  }
}

async function hasMicrophone() {
  return (await navigator.mediaDevices.enumerateDevices()).some(({ kind }) => kind === "audioinput");
}

async function tabAudio() {
  const audio = {
    ...{ echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    suppressLocalAudioPlayback: false, // the tab stays audible
  };
  let stream;
  try {
    stream = await navigator.mediaDevices.getDisplayMedia({ audio, video: true, systemAudio: "include" });
  } catch (error) {
    if (error.name === "InvalidStateError") throw new CaptureFailed(t("audio.tab_again"));
    throw new CaptureFailed(
      error.name === "NotAllowedError"
        ? t("audio.tab_refused")
        : t("audio.tab_unsupported", { reason: error.name }),
    );
  }
  for (const track of stream.getVideoTracks()) track.stop();
  if (stream.getAudioTracks().length === 0) {
    throw new CaptureFailed(t("audio.tab_silent"));
  }
  return stream;
}

/** Returns a running audio context. */
async function runningContext(rateHz) {
  let context = new AudioContext(rateHz === null ? {} : { sampleRate: rateHz });
  if (context.sampleRate > MAX_RATE_HZ) {
    await context.close();
    context = new AudioContext({ sampleRate: MAX_RATE_HZ });
  }
  const late = new Promise((resolve) => setTimeout(resolve, RUNNING_WITHIN_MS));
  await Promise.race([context.resume(), late]); // blocks until the user clicks
  if (context.state !== "running") {
    await context.close();
    throw new CaptureFailed(t("audio.click_needed"));
  }
  return context;
}

function refusalMessage(error, hasMicrophone) {
  // some browsers report a missing microphone as not allowed
  switch (error.name === "NotAllowedError" && !hasMicrophone ? "NotFoundError" : error.name) {
    case "NotAllowedError":
      return /system/i.test(error.message)
        ? t("audio.denied_by_system")
        : t("audio.denied");
    case "NotFoundError":
      return t("audio.none");
    case "OverconstrainedError":
      return t("audio.not_connected");
    case "NotReadableError":
      return t("audio.busy");
    default:
      return t("audio.failed", { reason: error.name });
  }
}

function endedMessage(source) {
  return source === Source.TAB
    ? t("audio.tab_ended")
    : t("audio.unplugged");
}
