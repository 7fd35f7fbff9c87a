// The audio of a microphone or of a tab, as it is captured.

const MAX_RATE_HZ = 48_000; // of the gateway
const RUNNING_WITHIN_MS = 1000; // else the browser wants a click first
const LAST_WITHIN_MS = 500; // a device that is gone tells nothing more

/** Sources of audio. */
export const Source = Object.freeze({ MICROPHONE: "microphone", TAB: "tab" });

/** A page cannot capture audio; the message is for the user. */
export class CaptureFailed extends Error {}

/** Audio that is being captured. */
export class Capture {
  #context;
  #stream;
  #gatherer = null;
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

  /** Id of the device; that of the one chosen by the browser where none was asked for. */
  get deviceId() {
    return this.#stream.getAudioTracks()[0].getSettings().deviceId ?? "";
  }

  /**
   * Begins to capture.
   *
   * @param {object} options
   * @param {string} options.source one of `Source`.
   * @param {string} options.deviceId of the microphone; "": the browser's choice.
   * @param {number|null} options.rateHz of a session that goes on; null: the device's own.
   * @param {{sound: function(Int16Array, number): void, ended: function(string): void}} options.on `sound` gets each
   *   piece of 50 ms and its peak, 0 to 1; `ended` gets the reason of the end.
   * @throws {CaptureFailed}
   */
  static async open({ source, deviceId = "", rateHz = null, on }) {
    if (!navigator.mediaDevices) {
      throw new CaptureFailed("The browser lets a page hear only over https, or from this machine (localhost).");
    }
    const stream = await (source === Source.TAB ? tabSound() : microphone(deviceId));
    let capture = null;
    try {
      capture = new Capture(await runningContext(rateHz), stream, on);
      await capture.#connect(source);
    } catch (error) {
      capture?.#context.close();
      for (const track of stream.getTracks()) track.stop();
      throw error instanceof CaptureFailed ? error : new CaptureFailed(`The sound cannot be used: ${error.message}.`);
    }
    return capture;
  }

  /** Ends; captured audio is delivered before this resolves. */
  async close() {
    const last = new Promise((resolve) => (this.#on = { ...this.#on, last: resolve, ended: () => {} }));
    this.#gatherer.port.postMessage("end");
    await Promise.race([last, new Promise((resolve) => setTimeout(resolve, LAST_WITHIN_MS))]);
    for (const track of this.#stream.getTracks()) track.stop();
    await this.#context.close();
  }

  async #connect(source) {
    await this.#context.audioWorklet.addModule(new URL("capture-worklet.js", import.meta.url));
    this.#gatherer = new AudioWorkletNode(this.#context, "gatherer", { numberOfOutputs: 0 });
    this.#gatherer.port.onmessage = ({ data }) => {
      if (data.isLast) this.#on.last();
      else this.#on.sound(data.samples, data.peak);
    };
    const [track] = this.#stream.getAudioTracks();
    track.onended = () => this.#on.ended(goneWords(source));
    this.#context.onstatechange = () => {
      if (this.#context.state === "suspended" || this.#context.state === "interrupted") {
        this.#on.ended("The browser has stopped the sound.");
      }
    };
    this.#context.createMediaStreamSource(this.#stream).connect(this.#gatherer);
  }
}

/** Returns the microphones: {id, label}, without names before the page has permission. */
export async function microphones() {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices
    .filter(({ kind, deviceId }) => kind === "audioinput" && deviceId !== "")
    .map(({ deviceId, label }, index) => ({ id: deviceId, label: label || `Microphone ${index + 1}` }));
}

/** Returns whether the page may use the microphone without asking again. */
export async function mayHear() {
  try {
    return (await navigator.permissions.query({ name: "microphone" })).state === "granted";
  } catch {
    return false; // a browser that does not know this permission
  }
}

async function microphone(deviceId) {
  // audio as it is: other people's voices from the loudspeakers are to be captioned too
  const processing = { echoCancellation: false, noiseSuppression: false, autoGainControl: true };
  const device = deviceId ? { deviceId: { exact: deviceId } } : {};
  try {
    return await navigator.mediaDevices.getUserMedia({ audio: { ...processing, ...device } });
  } catch (error) {
    throw new CaptureFailed(refusalWords(error, await hasMicrophone()));
  }
}

async function hasMicrophone() {
  return (await navigator.mediaDevices.enumerateDevices()).some(({ kind }) => kind === "audioinput");
}

async function tabSound() {
  const audio = {
    ...{ echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    suppressLocalAudioPlayback: false, // the user still wants to hear the tab
  };
  let stream;
  try {
    stream = await navigator.mediaDevices.getDisplayMedia({ audio, video: true, systemAudio: "include" });
  } catch (error) {
    if (error.name === "InvalidStateError") throw new CaptureFailed("Press the button to choose the tab again.");
    throw new CaptureFailed(
      error.name === "NotAllowedError"
        ? "No tab was shared. Press Start again, choose a tab and tick “Also share tab audio”."
        : `This browser cannot share the sound of a tab (${error.name}). Chrome and Edge can.`,
    );
  }
  for (const picture of stream.getVideoTracks()) picture.stop();
  if (stream.getAudioTracks().length === 0) {
    throw new CaptureFailed("It was shared without its sound. Press Start again and tick “Also share tab audio”.");
  }
  return stream;
}

/** Returns an audio context that runs. */
async function runningContext(rateHz) {
  let context = new AudioContext(rateHz === null ? {} : { sampleRate: rateHz });
  if (context.sampleRate > MAX_RATE_HZ) {
    await context.close();
    context = new AudioContext({ sampleRate: MAX_RATE_HZ });
  }
  const late = new Promise((resolve) => setTimeout(resolve, RUNNING_WITHIN_MS));
  await Promise.race([context.resume(), late]); // without a click, resume waits for one
  if (context.state !== "running") {
    await context.close();
    throw new CaptureFailed("The browser wants a click before it lets this page hear: press the button.");
  }
  return context;
}

function refusalWords(error, isThere) {
  // without a microphone some browsers say that it is not allowed
  switch (error.name === "NotAllowedError" && !isThere ? "NotFoundError" : error.name) {
    case "NotAllowedError":
      return /system/i.test(error.message)
        ? "The system does not let the browser use the microphone. Allow it in the system’s settings, then press Start again."
        : "The browser does not let this page use the microphone. Allow it beside the address, then press Start again.";
    case "NotFoundError":
      return "There is no microphone. Plug one in, then press Start again.";
    case "OverconstrainedError":
      return "The chosen microphone is gone. Choose another one.";
    case "NotReadableError":
      return "The microphone cannot be opened. Another program may be using it; close that, then press Start again.";
    default:
      return `The microphone cannot be opened (${error.name}).`;
  }
}

function goneWords(source) {
  return source === Source.TAB
    ? "The tab is no longer shared. Choose one again to go on."
    : "The microphone is gone. Plug it in again or choose another one to go on.";
}
