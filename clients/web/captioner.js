// The captioner: audio of a microphone or a tab becomes captions, here and for everyone with the link.

import { CaptionView } from "./caption-view.js";
import { Captions } from "./captions.js";
import { Capture, CaptureFailed, Source, mayHear, microphones } from "./capture.js";
import { Link, Session } from "./connection.js";
import { claim, rememberKey, rememberSession, rememberedKey, rememberedSession } from "./local-storage.js";
import { engineLanguages, figures, fillLanguages, levelOf, sentence, stateWords } from "./status-text.js";
import { makeShare, showShare } from "./share.js";

const TICK_MS = 250; // while no audio drives the updates
const CLAIM_MS = 3000; // a page that is reloaded lets go of its session a little later
const QUIET_PEAK = 0.002; // −54 dB of full scale
const QUIET_PIECES = 100; // 5 s
const ANEW_WORDS =
  "Start a new session? The captions of the last one leave this page; its transcript can be saved under “Share” first.";

const element = (id) => document.getElementById(id);

/** States of the audio capture. */
const Phase = Object.freeze({ IDLE: "idle", LIVE: "live", PAUSED: "paused", MUTE: "mute", STOPPING: "stopping" });

class Captioner {
  #phase = Phase.IDLE;
  #link = Link.OVER;
  #session = null;
  #capture = null;
  #opening = false;
  #captions = new Captions();
  #view = null;
  #share = null;
  #release = null;
  #wakeLock = null;
  #quietPieces = 0;
  #troubles = new Map();

  constructor() {
    element("start").addEventListener("click", () => this.#start());
    element("go-on").addEventListener("click", () => this.#goOn());
    element("pause").addEventListener("click", () => this.#pause());
    element("stop").addEventListener("click", () => this.#stop());
    element("source").addEventListener("change", () => this.#changeSource());
    element("device").addEventListener("change", () => this.#changeSource());
    element("lock").addEventListener("submit", (event) => this.#unlock(event));
    element("copy").addEventListener("click", () => this.#copy());
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#listDevices());
    addEventListener("online", () => this.#session?.retryNow());
    addEventListener("pagehide", () => this.#remember());
    addEventListener("beforeunload", (event) => this.#askToLeave(event));
    document.addEventListener("visibilitychange", () => this.#stayAwake());
    setInterval(() => this.#tick(), TICK_MS);
    this.#forgetCaptions();
    this.#listDevices();
    this.#show();
  }

  /** Goes on with the session that this tab had before it was reloaded, if there was one. */
  async restore() {
    fillLanguages(element("language"), await engineLanguages());
    const record = rememberedSession();
    if (record === null) return;
    const release = claim(record.saved.id, CLAIM_MS);
    if ((await release) === null) {
      rememberSession(null);
      this.#complain("sound", "The session of this tab goes on in another one.");
      return;
    }
    this.#release = release;
    this.#share = record.share;
    element("source").value = record.source;
    element("language").value = record.saved.start.language ?? "";
    element("profile").value = record.saved.start.cues.profile;
    this.#phase = record.saved.isStopping ? Phase.STOPPING : record.isPaused ? Phase.PAUSED : Phase.MUTE;
    this.#open({ saved: record.saved });
    if (this.#phase !== Phase.MUTE) return;
    if (record.source === Source.MICROPHONE && (await mayHear())) {
      await this.#listDevices();
      element("device").value = record.deviceId;
      if (element("device").selectedIndex < 0) element("device").value = "";
      await this.#listen();
    } else {
      await this.#lackSound("The page was loaded again. Press “Go on” to be heard.");
    }
  }

  async #start() {
    if (this.#hasWords && !confirm(ANEW_WORDS)) return;
    for (const about of ["sound", "link", "words"]) this.#complain(about, null);
    if (!(await this.#openCapture(null))) return;
    this.#forgetCaptions();
    this.#share = null;
    this.#phase = Phase.LIVE;
    const audio = { encoding: "pcm_s16le", sample_rate_hz: this.#capture.rateHz, channels: 1 };
    const start = { audio, language: element("language").value || null, cues: { profile: element("profile").value } };
    this.#open({ start });
    this.#stayAwake();
  }

  get #hasWords() {
    return this.#captions.entries.some((entry) => entry.isShown);
  }

  /** Lets the browser ask, while captioning. */
  #askToLeave(event) {
    if (this.#phase !== Phase.IDLE) event.preventDefault();
  }

  #open(how) {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const on = { message: (message) => this.#hear(message), link: (change) => this.#linked(change) };
    const address = `${scheme}//${location.host}/v1/stream`;
    this.#session = new Session({ address, key: rememberedKey(), on, ...how });
    this.#session.open();
  }

  async #goOn() {
    if (this.#capture !== null) {
      this.#phase = Phase.LIVE;
      this.#show();
    } else {
      await this.#listen();
    }
  }

  /** Captures audio for the session that is open. */
  async #listen() {
    this.#complain("sound", null);
    if (!(await this.#openCapture(this.#session.rateHz))) {
      if (this.#phase === Phase.MUTE) this.#session?.flush();
      return;
    }
    if (this.#session === null || this.#phase === Phase.STOPPING) {
      this.#closeCapture();
      return;
    }
    this.#phase = Phase.LIVE;
    this.#stayAwake();
    this.#show();
  }

  /** Returns whether audio is captured now. */
  async #openCapture(rateHz) {
    if (this.#opening) return false;
    this.#opening = true;
    const [source, deviceId] = [element("source").value, element("device").value];
    const on = { sound: (samples, peak) => this.#sound(samples, peak), ended: (why) => this.#lackSound(why) };
    try {
      this.#capture = await Capture.open({ source, deviceId, rateHz, on });
    } catch (error) {
      if (!(error instanceof CaptureFailed)) throw error;
      this.#complain("sound", error.message);
      return false;
    } finally {
      this.#opening = false;
    }
    this.#listDevices(); // they have names now
    return true;
  }

  #sound(samples, peak) {
    element("level").value = levelOf(peak);
    this.#quietPieces = peak < QUIET_PEAK ? this.#quietPieces + 1 : 0;
    element("quiet").textContent = this.#quietPieces > QUIET_PIECES ? "No sound is coming in." : "";
    if (this.#phase === Phase.LIVE) this.#session?.send(samples);
    else this.#session?.tick();
  }

  async #lackSound(why) {
    await this.#closeCapture();
    if (this.#phase === Phase.LIVE) this.#phase = Phase.MUTE;
    this.#session?.flush();
    this.#complain("sound", why);
    this.#listDevices();
    this.#show();
  }

  async #closeCapture() {
    const capture = this.#capture;
    this.#capture = null;
    element("level").value = 0;
    element("quiet").textContent = "";
    await capture?.close();
  }

  async #changeSource() {
    this.#show();
    if (this.#phase !== Phase.LIVE) {
      if (this.#phase === Phase.PAUSED) await this.#closeCapture(); // the next “Go on” opens the other one
      return;
    }
    await this.#closeCapture();
    this.#phase = Phase.MUTE;
    await this.#listen();
    this.#show();
  }

  #pause() {
    this.#phase = Phase.PAUSED;
    this.#session.flush();
    this.#remember();
    this.#show();
  }

  async #stop() {
    if (this.#phase === Phase.STOPPING) {
      this.#session.abandon();
      return;
    }
    const wasLive = this.#phase === Phase.LIVE;
    if (!wasLive) this.#phase = Phase.STOPPING;
    await this.#closeCapture(); // what it has is still sent
    this.#phase = Phase.STOPPING;
    this.#session.stop();
    this.#remember();
    this.#show();
  }

  #hear(message) {
    if (message.type === "ready") this.#ready(message);
    if (message.type === "final") {
      element("latency").textContent = figures.latency(message.latency_ms);
      this.#complain("words", null);
    }
    if (message.type === "warning" || (message.type === "error" && !message.fatal)) {
      this.#complain("words", message.message);
    }
    this.#view.show(this.#captions.take(message));
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

  #linked({ link, code, message }) {
    this.#link = link;
    element("lock").hidden = link !== Link.LOCKED;
    if (link === Link.LOCKED) element("key").focus();
    this.#complain("link", message);
    if (link === Link.OVER) this.#over(code);
    this.#show();
  }

  #over(code) {
    this.#session = null;
    this.#phase = Phase.IDLE;
    this.#closeCapture();
    this.#wakeLock?.release();
    this.#release?.then((release) => release?.());
    this.#release = null;
    rememberSession(null);
    if (code === "resumed_elsewhere") this.#complain("link", "This session goes on elsewhere; this page has stopped.");
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
      element("copied").textContent = "The browser does not let this page copy: the address is selected, copy it yourself.";
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

  /** A screen that goes off stops the audio of a phone; where the browser does not want that, it goes off. */
  async #stayAwake() {
    if (document.visibilityState !== "visible" || this.#session === null) return;
    this.#wakeLock = await navigator.wakeLock?.request("screen").catch(() => null);
  }

  #forgetCaptions() {
    this.#captions = new Captions();
    element("history").replaceChildren();
    element("now").replaceChildren();
    this.#view = new CaptionView(this.#captions, element("history"), element("now"));
  }

  #tick() {
    this.#session?.tick();
    if (this.#session) this.#showFigures();
  }

  /** Displays a problem with the audio, the link or the words; null: none. */
  #complain(about, words) {
    this.#troubles.set(about, words);
    const all = [...this.#troubles.values()].filter(Boolean).map(sentence).join(" ");
    element("trouble").hidden = all === "";
    if (element("trouble").textContent !== all) element("trouble").textContent = all;
  }

  #showFigures() {
    const { unsent, behind } = this.#session?.lag ?? { unsent: 0, behind: 0 };
    element("unsent").textContent = figures.seconds(unsent);
    element("behind").textContent = figures.seconds(behind);
  }

  #show() {
    const phase = this.#phase;
    const isOpen = phase !== Phase.IDLE;
    element("device-field").hidden = element("source").value !== Source.MICROPHONE;
    element("start").hidden = isOpen;
    element("go-on").hidden = phase !== Phase.PAUSED && phase !== Phase.MUTE;
    element("pause").hidden = phase !== Phase.LIVE;
    element("stop").hidden = !isOpen;
    element("stop").textContent = phase === Phase.STOPPING ? "Do not wait" : "Stop";
    for (const id of ["language", "profile"]) element(id).disabled = isOpen; // a session keeps them
    const { state, words } = stateWords(phase, this.#link, this.#captions);
    element("state").dataset.state = state;
    if (element("state").textContent !== words) element("state").textContent = words;
    document.title = isOpen ? `${words.split(/[.:]/)[0]} – livecue captioner` : "livecue captioner";
  }
}

new Captioner().restore();
