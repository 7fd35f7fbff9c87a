// The captioner: captions the audio of a microphone, a tab or a file, on this page and for everyone with the link.

import { streamAddress } from "./api.js";
import { Audience } from "./audience.js";
import { AudioFile } from "./audio-file.js";
import { AudioInput } from "./audio-input.js";
import { CaptureFailed, Source, hasPermission } from "./capture.js";
import { Link, Session } from "./connection.js";
import { DisplayedSession } from "./displayed-session.js";
import { useFileDrop } from "./file-drop.js";
import { localize, t, useLanguage } from "./i18n.js";
import { KeyForm } from "./key-form.js";
import { claim, rememberSession, rememberedKey, rememberedSession } from "./local-storage.js";
import { MicrophoneTest } from "./microphone-test.js";
import { PastSessions } from "./past-sessions.js";
import { useTheme } from "./preferences.js";
import { problemText } from "./problem-text.js";
import { Problems } from "./problems.js";
import { SessionOptions } from "./session-options.js";
import { SettingsPanel } from "./settings-panel.js";
import { SinkStatus } from "./sink-status.js";
import { Phase, hintOf } from "./status-text.js";
import { isOpenPhase, showBacklog, showElapsed, showLatency, showProgress, showState } from "./transport-bar.js";
import { WakeLock } from "./wake-lock.js";

const TICK_MS = 250; // while no audio drives the updates
const CLAIM_MS = 3000; // the page before a reload releases its session a little later

const element = (id) => document.getElementById(id);

class Captioner {
  #phase = Phase.IDLE;
  #link = Link.OVER;
  #session = null;
  #test = null;
  #file = null;
  #startedMs = null;
  #release = null;
  #wakeLock = new WakeLock();
  #problems = new Problems(element("problem"));
  #panel = new SettingsPanel();
  #sinks = new SinkStatus(element("sinks-card"), element("sinks"));
  #options = new SessionOptions(() => this.#changeDetails());
  #displayed = new DisplayedSession(this.#options, this.#problems);
  #key = new KeyForm(this.#problems, (key) => this.#unlock(key));
  #audience = new Audience(() => this.#options.title, (error) => this.#key.ask(error));
  #input = new AudioInput({
    audio: (samples) => this.#onAudio(samples),
    ended: (reason) => this.#stopAudio(reason),
    changed: () => this.#changeSource(),
  });

  constructor() {
    const actions = { start: () => this.#start(), test: () => this.#toggleTest(), continue: () => this.#continue() };
    for (const [id, act] of Object.entries({ ...actions, pause: () => this.#pause(), stop: () => this.#stop() })) {
      element(id).addEventListener("click", act);
    }
    const isIdle = () => this.#phase === Phase.IDLE;
    new PastSessions(isIdle, (past) => this.#openPast(past));
    useFileDrop(isIdle, (file) => this.#startFile(file));
    addEventListener("online", () => (this.#session ?? this.#test)?.retryNow());
    addEventListener("pagehide", () => this.#remember());
    addEventListener("beforeunload", (event) => isOpenPhase(this.#phase) && event.preventDefault());
    document.addEventListener("languagechange", () => this.#refresh());
    setInterval(() => this.#tick(), TICK_MS);
    this.#refresh();
  }

  /** Opens the caption event, and resumes the session that this tab had before a reload, if any. */
  async restore() {
    await Promise.all([this.#options.listLanguages(), this.#input.listDevices(), this.#audience.open()]);
    const record = rememberedSession();
    if (record === null) return;
    const release = claim(record.saved.id, CLAIM_MS);
    if ((await release) === null) {
      rememberSession(null);
      this.#problems.set("audio", t("problem.open_elsewhere"));
      return;
    }
    this.#release = release;
    this.#startedMs = record.startedMs;
    this.#options.showStart(record.saved.start);
    await this.#input.select(record.source, record.deviceId);
    await this.#audience.showSession(record.saved.id, record.share);
    this.#phase = record.saved.isStopping ? Phase.STOPPING : record.isPaused ? Phase.PAUSED : Phase.NO_AUDIO;
    this.#open({ saved: record.saved });
    if (this.#phase !== Phase.NO_AUDIO) return;
    if (record.source === Source.MICROPHONE && (await hasPermission())) await this.#resumeCapture();
    else await this.#stopAudio(t("audio.reloaded"));
  }

  async #start() {
    if (!this.#mayDiscard()) return;
    this.#problems.clear();
    if (this.#options.isForeign) this.#options.reset();
    if (this.#test === null && !(await this.#openInput(null))) return;
    this.#endTest();
    element("start").disabled = true;
    await this.#audience.opened;
    element("start").disabled = false;
    const event = this.#audience.eventName;
    const details = { ...this.#options.details, ...(event !== null && { event }) };
    this.#begin(Phase.LIVE, this.#options.start(this.#input.rateHz, details));
  }

  /** Returns whether the displayed captions may be discarded: the gateway keeps them, or the user agrees. */
  #mayDiscard() {
    const isExpendable = this.#test !== null || this.#displayed.isKept || !this.#displayed.hasWords;
    return isExpendable || confirm(t("captioner.confirm_restart"));
  }

  async #startFile(file) {
    if (!this.#mayDiscard()) return;
    this.#endTest();
    this.#problems.clear();
    this.#displayed.clear();
    this.#options.isForeign = true;
    this.#file = { name: file.name };
    this.#setPhase(Phase.READING);
    try {
      const decoded = await AudioFile.open(file);
      if (this.#phase !== Phase.READING) return; // stopped meanwhile
      this.#file = decoded;
    } catch (error) {
      this.#fail(error);
      this.#ended();
      return;
    }
    this.#begin(Phase.READING, this.#options.start(this.#file.rateHz, { file: true, title: file.name }));
  }

  #begin(phase, start) {
    this.#displayed.clear();
    this.#sinks.clear();
    this.#startedMs = Date.now();
    this.#open({ start });
    this.#setPhase(phase);
  }

  #open(options) {
    const on = { message: (message) => this.#receive(message), link: (change) => this.#linkChanged(change) };
    this.#session = new Session({ address: streamAddress(), key: rememberedKey(), on, ...options });
    this.#session.open();
  }

  async #toggleTest() {
    if (this.#test !== null) {
      await this.#stopTest();
      return;
    }
    if (!this.#mayDiscard()) return;
    this.#problems.clear();
    if (!(await this.#openInput(null))) return;
    this.#displayed.clear();
    const on = { message: (message) => this.#displayed.take(message), link: (change) => this.#testLinkChanged(change) };
    this.#test = new MicrophoneTest(this.#options.start(this.#input.rateHz), on);
    this.#setPhase(Phase.TESTING);
  }

  async #stopTest() {
    this.#endTest();
    await this.#input.close();
  }

  /** Ends a test, if any; the input stays open. */
  #endTest() {
    if (this.#test === null) return;
    this.#test.end();
    this.#test = null;
    this.#displayed.clear();
    this.#setPhase(Phase.IDLE);
  }

  #testLinkChanged({ link, code, message }) {
    this.#showLink({ link, code, message });
    if (link === Link.OVER) this.#stopTest();
    this.#refresh();
  }

  async #continue() {
    if (this.#input.isOpen) this.#phase = Phase.LIVE;
    else await this.#resumeCapture();
    this.#refresh();
  }

  /** Captures audio for the open session. */
  async #resumeCapture() {
    this.#problems.set("audio", null);
    if (!(await this.#openInput(this.#session.rateHz))) {
      if (this.#phase === Phase.NO_AUDIO) this.#session?.flush();
      return;
    }
    if (this.#session === null || this.#phase === Phase.STOPPING) {
      this.#input.close();
      return;
    }
    this.#phase = Phase.LIVE;
    this.#refresh();
  }

  /** Opens the input, and returns whether it succeeded. */
  async #openInput(rateHz) {
    try {
      return await this.#input.open(rateHz);
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  #fail(error) {
    if (!(error instanceof CaptureFailed)) throw error;
    this.#problems.set("audio", error.message);
  }

  #onAudio(samples) {
    if (this.#phase === Phase.TESTING) this.#test.send(samples);
    else if (this.#phase === Phase.LIVE) this.#session?.send(samples);
    else this.#session?.tick();
  }

  async #stopAudio(reason) {
    await this.#input.close();
    if (this.#phase === Phase.LIVE) this.#phase = Phase.NO_AUDIO;
    if (this.#phase === Phase.TESTING) this.#endTest();
    this.#session?.flush();
    this.#problems.set("audio", reason);
    this.#input.listDevices();
    this.#refresh();
  }

  async #changeSource() {
    const phase = this.#phase;
    if (phase === Phase.PAUSED) await this.#input.close(); // “Continue” opens the new source
    if (phase !== Phase.LIVE && phase !== Phase.TESTING) return;
    await this.#input.close();
    if (phase === Phase.TESTING) {
      this.#endTest();
      await this.#toggleTest(); // the new source may have another rate
      return;
    }
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
    if (this.#session === null) {
      this.#ended(); // while a file is read
      return;
    }
    if (this.#phase === Phase.STOPPING) {
      this.#session.abandon();
      return;
    }
    const wasLive = this.#phase === Phase.LIVE;
    if (!wasLive) this.#phase = Phase.STOPPING;
    await this.#input.close(); // delivers its last audio, which is still sent
    this.#phase = Phase.STOPPING;
    this.#session.stop();
    this.#remember();
    this.#refresh();
  }

  #receive(message) {
    if (message.type === "ready") this.#ready(message);
    else if (message.type === "sinks") this.#sinksChanged(message);
    else if (message.type === "final") {
      showLatency(message.latency_ms);
      this.#problems.set("words", null);
    }
    if (message.type === "warning" || (message.type === "error" && !message.fatal)) {
      this.#problems.set("words", problemText(message));
    }
    this.#displayed.take(message);
    this.#showFigures();
  }

  async #ready({ session_id: id }) {
    this.#displayed.name(id, null);
    this.#remember();
    this.#release ??= claim(id, CLAIM_MS);
    if (this.#file !== null) return;
    await this.#audience.showSession(id);
    this.#displayed.name(id, this.#audience.share.token);
    this.#remember();
  }

  #sinksChanged(message) {
    const failed = this.#sinks.take(message);
    const names = new Intl.ListFormat(document.documentElement.lang).format(failed);
    this.#problems.set("sinks", failed.length ? t("problem.sinks", { names }) : null);
  }

  #linkChanged({ link, code, message }) {
    this.#link = link;
    this.#showLink({ link, code, message });
    if (link === Link.OVER) this.#ended();
    this.#refresh();
  }

  #showLink({ link, code, message }) {
    const isLocked = link === Link.LOCKED;
    this.#problems.set("link", isLocked ? null : problemText({ code, message }));
    if (isLocked) this.#key.ask({ code, message });
  }

  #ended() {
    this.#session = null;
    this.#file = null;
    this.#phase = Phase.IDLE;
    this.#link = Link.OVER;
    this.#input.close();
    this.#release?.then((release) => release?.());
    this.#release = null;
    rememberSession(null);
    this.#displayed.end();
    this.#refresh();
  }

  async #unlock(key) {
    try {
      await this.#audience.open(); // first, for a session belongs to the event that its start message names
    } finally {
      const event = this.#options.isForeign ? null : this.#audience.eventName;
      if (this.#session) this.#session.unlock(key, event === null ? {} : { event });
      else this.#test?.unlock(key);
    }
  }

  async #openPast(past) {
    this.#startedMs = null;
    this.#options.isForeign = true;
    await this.#displayed.openPast(past);
    this.#refresh();
  }

  #changeDetails() {
    this.#displayed.changeDetails();
    if (this.#audience.eventName !== null && !this.#options.isForeign) this.#audience.open(); // it has the title, too
  }

  #remember() {
    const saved = this.#session?.save();
    if (!saved || this.#file !== null) return; // a reload loses the file
    const [source, deviceId, isPaused] = [this.#input.source, this.#input.deviceId, this.#phase === Phase.PAUSED];
    const [silent, share, startedMs] = [this.#session.save(0), this.#audience.share, this.#startedMs];
    rememberSession({ saved, silent, source, deviceId, isPaused, share, startedMs });
  }

  #tick() {
    this.#session?.tick();
    this.#test?.tick();
    if (this.#session) this.#showFigures();
    if (isOpenPhase(this.#phase)) showElapsed(this.#startedMs);
  }

  #showFigures() {
    showBacklog(this.#session?.backlog ?? { unsentS: 0, lagS: 0 });
    if (!(this.#file instanceof AudioFile) || this.#session === null) return;
    this.#file.feed(this.#session);
    showProgress(this.#file.name, this.#file.progress(this.#session));
  }

  #setPhase(phase) {
    this.#phase = phase;
    scrollTo({ top: 0 }); // where the captions are
    this.#refresh();
  }

  #refresh() {
    const [phase, captions, hasWords] = [this.#phase, this.#displayed.captions, this.#displayed.hasWords];
    showState({ phase, link: this.#test?.link ?? this.#link, captions, hasWords, hasFile: this.#file !== null });
    if (this.#file !== null && this.#session === null) showProgress(this.#file.name, null);
    const isOpen = isOpenPhase(phase);
    this.#panel.isLive = isOpen;
    this.#options.isFixed = this.#audience.isFixed = isOpen;
    this.#wakeLock.isWanted = isOpen;
    this.#displayed.hint = hintOf(phase);
    if (!isOpen && !hasWords) showElapsed(null);
  }
}

localize();
useTheme(element("theme"));
useLanguage(element("interface"));
new Captioner().restore();
