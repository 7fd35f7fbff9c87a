// The captioner: captions the audio of a microphone or a tab, on this page and for everyone with the link.

import { CaptionView } from "./caption-view.js";
import { Captions } from "./captions.js";
import { Capture, CaptureFailed, Source, hasPermission, microphones } from "./capture.js";
import { Link, Session } from "./connection.js";
import { claim, rememberKey, rememberSession, rememberedKey, rememberedSession } from "./local-storage.js";
import { engineLanguages, figures, fillLanguages, levelOf, sentence, describeState } from "./status-text.js";
import { makeShare, showShare } from "./share.js";

const TICK_MS = 250; // while no audio drives the updates
const CLAIM_MS = 3000; // the page before a reload releases its session a little later
const QUIET_PEAK = 0.002; // −54 dB of full scale
const QUIET_FRAMES = 100; // 5 s
const RESTART_QUESTION =
  "Start a new session? This page then discards the captions of the last one; you can save its transcript under “Share” first.";

const element = (id) => document.getElementById(id);

/** States of the audio capture. */
const Phase = Object.freeze({ IDLE: "idle", LIVE: "live", PAUSED: "paused", NO_AUDIO: "no_audio", STOPPING: "stopping" });

class Captioner {
  #phase = Phase.IDLE;
  #link = Link.OVER;
  #session = null;
  #capture = null;
  #isOpening = false;
  #captions = new Captions();
  #view = null;
  #share = null;
  #release = null;
  #wakeLock = null;
  #quietFrames = 0;
  #problems = new Map();

  constructor() {
    element("start").addEventListener("click", () => this.#start());
    element("continue").addEventListener("click", () => this.#continue());
    element("pause").addEventListener("click", () => this.#pause());
    element("stop").addEventListener("click", () => this.#stop());
    element("source").addEventListener("change", () => this.#changeSource());
    element("device").addEventListener("change", () => this.#changeSource());
    element("lock").addEventListener("submit", (event) => this.#unlock(event));
    element("copy").addEventListener("click", () => this.#copy());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#listDevices());
    addEventListener("online", () => this.#session?.retryNow());
    addEventListener("pagehide", () => this.#remember());
    addEventListener("beforeunload", (event) => this.#confirmLeaving(event));
    document.addEventListener("visibilitychange", () => this.#keepScreenOn());
    setInterval(() => this.#tick(), TICK_MS);
    this.#clearCaptions();
    this.#listDevices();
    this.#refresh();
  }

  /** Resumes the session that this tab had before a reload, if any. */
  async restore() {
    fillLanguages(element("language"), await engineLanguages());
    const record = rememberedSession();
    if (record === null) return;
    const release = claim(record.saved.id, CLAIM_MS);
    if ((await release) === null) {
      rememberSession(null);
      this.#setProblem("audio", "The session of this tab is open in another tab.");
      return;
    }
    this.#release = release;
    this.#share = record.share;
    element("source").value = record.source;
    element("language").value = record.saved.start.language ?? "";
    element("profile").value = record.saved.start.cues.profile;
    this.#phase = record.saved.isStopping ? Phase.STOPPING : record.isPaused ? Phase.PAUSED : Phase.NO_AUDIO;
    this.#open({ saved: record.saved });
    if (this.#phase !== Phase.NO_AUDIO) return;
    if (record.source === Source.MICROPHONE && (await hasPermission())) {
      await this.#listDevices();
      element("device").value = record.deviceId;
      if (element("device").selectedIndex < 0) element("device").value = "";
      await this.#resumeCapture();
    } else {
      await this.#stopAudio("The page was reloaded. Press “Continue” to resume the audio.");
    }
  }

  async #start() {
    if (this.#hasWords && !confirm(RESTART_QUESTION)) return;
    for (const topic of ["audio", "link", "words"]) this.#setProblem(topic, null);
    if (!(await this.#openCapture(null))) return;
    this.#clearCaptions();
    this.#share = null;
    this.#phase = Phase.LIVE;
    const audio = { encoding: "pcm_s16le", sample_rate_hz: this.#capture.rateHz, channels: 1 };
    const start = { audio, language: element("language").value || null, cues: { profile: element("profile").value } };
    this.#open({ start });
    this.#keepScreenOn();
  }

  get #hasWords() {
    return this.#captions.entries.some((entry) => entry.isVisible);
  }

  /** Makes the browser ask for confirmation during a session. */
  #confirmLeaving(event) {
    if (this.#phase !== Phase.IDLE) event.preventDefault();
  }

  #open(options) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const on = { message: (message) => this.#receive(message), link: (change) => this.#linkChanged(change) };
    const address = `${scheme}//${location.host}/v1/stream`;
    this.#session = new Session({ address, key: rememberedKey(), on, ...options });
    this.#session.open();
  }

  async #continue() {
    if (this.#capture !== null) {
      this.#phase = Phase.LIVE;
      this.#refresh();
    } else {
      await this.#resumeCapture();
    }
  }

  /** Captures audio for the open session. */
  async #resumeCapture() {
    this.#setProblem("audio", null);
    if (!(await this.#openCapture(this.#session.rateHz))) {
      if (this.#phase === Phase.NO_AUDIO) this.#session?.flush();
      return;
    }
    if (this.#session === null || this.#phase === Phase.STOPPING) {
      this.#closeCapture();
      return;
    }
    this.#phase = Phase.LIVE;
    this.#keepScreenOn();
    this.#refresh();
  }

  /** Opens the capture, and returns whether it succeeded. */
  async #openCapture(rateHz) {
    if (this.#isOpening) return false;
    this.#isOpening = true;
    const [source, deviceId] = [element("source").value, element("device").value];
    const on = { audio: (samples, peak) => this.#onAudio(samples, peak), ended: (reason) => this.#stopAudio(reason) };
    try {
      this.#capture = await Capture.open({ source, deviceId, rateHz, on });
    } catch (error) {
      if (!(error instanceof CaptureFailed)) throw error;
      this.#setProblem("audio", error.message);
      return false;
    } finally {
      this.#isOpening = false;
    }
    this.#listDevices(); // with permission, they have names
    return true;
  }

  #onAudio(samples, peak) {
    element("level").value = levelOf(peak);
    this.#quietFrames = peak < QUIET_PEAK ? this.#quietFrames + 1 : 0;
    element("quiet").textContent = this.#quietFrames > QUIET_FRAMES ? "No audio is coming in." : "";
    if (this.#phase === Phase.LIVE) this.#session?.send(samples);
    else this.#session?.tick();
  }

  async #stopAudio(reason) {
    await this.#closeCapture();
    if (this.#phase === Phase.LIVE) this.#phase = Phase.NO_AUDIO;
    this.#session?.flush();
    this.#setProblem("audio", reason);
    this.#listDevices();
    this.#refresh();
  }

  async #closeCapture() {
    const capture = this.#capture;
    this.#capture = null;
    element("level").value = 0;
    element("quiet").textContent = "";
    await capture?.close();
  }

  async #changeSource() {
    this.#refresh();
    if (this.#phase !== Phase.LIVE) {
      if (this.#phase === Phase.PAUSED) await this.#closeCapture(); // “Continue” opens the new source
      return;
    }
    await this.#closeCapture();
    this.#phase = Phase.NO_AUDIO;
    await this.#resumeCapture();
    this.#refresh();
  }

  #pause() {
    this.#phase = Phase.PAUSED;
    this.#session.flush();
    this.#remember();
    this.#refresh();
  }

  async #stop() {
    if (this.#phase === Phase.STOPPING) {
      this.#session.abandon();
      return;
    }
    const wasLive = this.#phase === Phase.LIVE;
    if (!wasLive) this.#phase = Phase.STOPPING;
    await this.#closeCapture(); // delivers its last audio, which is still sent
    this.#phase = Phase.STOPPING;
    this.#session.stop();
    this.#remember();
    this.#refresh();
  }

  #receive(message) {
    if (message.type === "ready") this.#ready(message);
    if (message.type === "final") {
      element("latency").textContent = figures.latency(message.latency_ms);
      this.#setProblem("words", null);
    }
    if (message.type === "warning" || (message.type === "error" && !message.fatal)) {
      this.#setProblem("words", message.message);
    }
    this.#view.update(this.#captions.take(message));
    element("empty").hidden = this.#hasWords;
    this.#showFigures();
  }

  async #ready(ready) {
    this.#remember();
    this.#release ??= claim(ready.session_id, CLAIM_MS);
    this.#share ??= await makeShare(ready.session_id, rememberedKey());
    showShare(this.#share);
    this.#remember();
  }

  #linkChanged({ link, code, message }) {
    this.#link = link;
    element("lock").hidden = link !== Link.LOCKED;
    if (link === Link.LOCKED) element("key").focus();
    this.#setProblem("link", message);
    if (link === Link.OVER) this.#ended(code);
    this.#refresh();
  }

  #ended(code) {
    this.#session = null;
    this.#phase = Phase.IDLE;
    this.#closeCapture();
    this.#wakeLock?.release();
    this.#release?.then((release) => release?.());
    this.#release = null;
    rememberSession(null);
    if (code === "resumed_elsewhere") this.#setProblem("link", "This session was resumed elsewhere; this page has stopped.");
  }

  #unlock(event) {
    event.preventDefault();
    rememberKey(element("key").value.trim());
    element("key").value = "";
    this.#session.unlock(rememberedKey());
  }

  async #copy() {
    const link = element("link");
    try {
      await navigator.clipboard.writeText(link.value);
      element("copied").textContent = "Copied.";
    } catch {
      link.select();
      element("copied").textContent = "The browser does not allow this page to copy. The address is selected: copy it yourself.";
    }
  }

  #remember() {
    const saved = this.#session?.save();
    if (!saved) return;
    const [source, deviceId, isPaused] = [element("source").value, element("device").value, this.#phase === Phase.PAUSED];
    rememberSession({ saved, silent: this.#session.save(0), source, deviceId, isPaused, share: this.#share });
  }

  async #listDevices() {
    const select = element("device");
    const chosen = select.value;
    const options = (await microphones()).map(({ id, label }) => new Option(label, id));
    select.replaceChildren(new Option("The browser’s default", ""), ...options);
    select.value = chosen;
    if (select.selectedIndex < 0) select.value = "";
  }

  /** Keeps the screen on if the browser allows it: a phone stops the audio when its screen turns off. */
  async #keepScreenOn() {
    if (document.visibilityState !== "visible" || this.#session === null) return;
    this.#wakeLock = await navigator.wakeLock?.request("screen").catch(() => null);
  }

  #clearCaptions() {
    this.#captions = new Captions();
    element("history").replaceChildren();
    element("now").replaceChildren();
    this.#view = new CaptionView(this.#captions, element("history"), element("now"));
  }

  #tick() {
    this.#session?.tick();
    if (this.#session) this.#showFigures();
  }

  /** Displays a problem with the audio, the link or the words; null clears it. */
  #setProblem(topic, text) {
    this.#problems.set(topic, text);
    const all = [...this.#problems.values()].filter(Boolean).map(sentence).join(" ");
    element("problem").hidden = all === "";
    if (element("problem").textContent !== all) element("problem").textContent = all;
  }

  #showFigures() {
    const { unsentS, lagS } = this.#session?.backlog ?? { unsentS: 0, lagS: 0 };
    element("unsent").textContent = figures.seconds(unsentS);
    element("lag").textContent = figures.seconds(lagS);
  }

  #refresh() {
    const phase = this.#phase;
    const isOpen = phase !== Phase.IDLE;
    element("device-field").hidden = element("source").value !== Source.MICROPHONE;
    element("start").hidden = isOpen;
    element("continue").hidden = phase !== Phase.PAUSED && phase !== Phase.NO_AUDIO;
    element("pause").hidden = phase !== Phase.LIVE;
    element("stop").hidden = !isOpen;
    element("stop").textContent = phase === Phase.STOPPING ? "Stop now" : "Stop";
    for (const id of ["language", "profile"]) element(id).disabled = isOpen; // fixed for a session
    const { state, text } = describeState(phase, this.#link, this.#captions);
    element("state").dataset.state = state;
    if (element("state").textContent !== text) element("state").textContent = text;
    document.title = isOpen ? `${text.split(/[.:]/)[0]} – livecue captioner` : "livecue captioner";
  }
}

new Captioner().restore();
