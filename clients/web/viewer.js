// The viewer: the captions of a session or of a caption event, large and readable.

import { placeOf, sessionAddress } from "./addresses.js";
import { AutoScroll } from "./auto-scroll.js";
import { CaptionView } from "./caption-view.js";
import { Captions } from "./captions.js";
import { copyText } from "./clipboard.js";
import { State } from "./events.js";
import { Feed } from "./feed.js";
import { locale, localize, t, useLanguage } from "./i18n.js";
import { forgetCaptions, keepCaptions, keptCaptions } from "./kept-captions.js";
import { useMenus } from "./menus.js";
import { keepPage } from "./offline.js";
import { useFont, useSize, useTheme, useTimes } from "./preferences.js";
import { textsOf } from "./viewer-state.js";

/** Earlier captions arrive within this time; screen readers do not announce them. */
const HISTORY_MS = 1_000;

/** The confirmation disappears after this time. */
const COPIED_MS = 4_000;

const element = (id) => document.getElementById(id);

class Viewer {
  #place = placeOf(location);
  #page = location.pathname;
  #sessions = []; // {session, startedAt, captions, view, root}, oldest first
  #state = State.CONNECTING;
  #eventTitle = null;
  #hasTimes = false;
  #unread = 0;
  #isAnnouncing = false;
  #autoScroll = new AutoScroll(() => this.#showUnread(0));

  start() {
    localize();
    useLanguage(element("language"));
    useTheme(element("theme"));
    useFont(element("font"));
    useSize(element("smaller"), element("larger"));
    useTimes(element("times"), (hasTimes) => this.#setTimes(hasTimes));
    useMenus([element("display"), element("save")]);
    element("jump").addEventListener("click", () => this.#jump());
    for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", () => this.#copy());
    document.addEventListener("languagechange", () => this.#translate());
    document.addEventListener("visibilitychange", () => this.#visibilityChanged());
    addEventListener("pagehide", () => this.#keep());
    for (const { session, startedAt, saved } of keptCaptions(this.#page)) {
      this.#add(session, startedAt, Captions.restore(saved)).view.refresh();
    }
    const on = {
      session: (session) => this.#open(session),
      message: (message) => this.#receive(message),
      state: (state) => this.#setState(state),
      title: (title) => this.#setEventTitle(title),
    };
    const after = (session) => this.#find(session)?.captions.seq ?? 0;
    new Feed(this.#place, on, after).open();
  }

  /** Continues a session that the page has displayed before, or begins to display another one. */
  #open(session) {
    if (this.#find(session) === undefined) this.#add(session, Date.now(), new Captions());
    for (const link of document.querySelectorAll("[data-suffix]")) {
      link.href = sessionAddress({ ...this.#place, session }, `transcript.${link.dataset.suffix}`);
    }
    this.#showTitle();
  }

  get #hasWords() {
    return this.#sessions.some(({ captions }) => captions.entries.some((entry) => entry.isVisible));
  }

  #find(session) {
    return this.#sessions.find((each) => each.session === session);
  }

  #add(session, startedAt, captions) {
    this.#sessions.at(-1)?.root.append(...element("now").childNodes); // words that will get no final
    const root = document.createElement("div");
    if (this.#hasWords) root.append(partHeading(startedAt));
    element("history").append(root);
    const view = new CaptionView(captions, root, element("now"), () => this.#rendered());
    view.refresh({ hasTimes: this.#hasTimes });
    const added = { session, startedAt, captions, view, root };
    this.#sessions.push(added);
    return added;
  }

  #receive(message) {
    const { captions, view } = this.#sessions.at(-1);
    view.update(captions.take(message));
    if (message.type === "final" && message.text) this.#showUnread(this.#unread + 1);
    if (message.type !== "details") return;
    view.refresh();
    this.#showTitle();
  }

  #rendered() {
    this.#showNotice();
    this.#autoScroll.follow();
  }

  #setState(state) {
    this.#state = state;
    if (state === State.LIVE) {
      if (!this.#isAnnouncing) setTimeout(() => element("history").setAttribute("aria-live", "polite"), HISTORY_MS);
      this.#isAnnouncing = true;
      keepScreenOn();
    }
    if (state === State.FORBIDDEN || state === State.NOT_FOUND) this.#forget();
    this.#showState();
  }

  /** Deletes what is stored of captions that this link does not give access to, and what it displays of them. */
  #forget() {
    forgetCaptions(this.#page);
    if (this.#isAnnouncing) return; // it was live here, so the reader has read them
    this.#sessions = [];
    element("history").replaceChildren();
  }

  #showState() {
    const { name, sentence, hint } = textsOf(this.#state, this.#place.event !== null);
    for (const id of ["state", "notice"]) element(id).dataset.state = this.#state;
    setText("state", t(name));
    setText("sentence", t(sentence));
    setText("hint", hint === null ? "" : t(hint));
    this.#showNotice();
    this.#showUnread(this.#unread);
    this.#autoScroll.follow();
  }

  /** Displays the notice as the only content of the page, or below the captions. */
  #showNotice() {
    const hasText = this.#hasWords;
    document.body.classList.toggle("is-empty", !hasText);
    element("actions").hidden = this.#state !== State.OVER || !hasText;
    for (const id of ["save", "sizes"]) element(id).hidden = !hasText;
  }

  #setEventTitle(title) {
    this.#eventTitle = title;
    this.#showTitle();
  }

  #showTitle() {
    const title = this.#sessions.at(-1)?.captions.title ?? this.#eventTitle;
    setText("title", title ?? t("viewer.title"));
    document.title = title === null ? t("viewer.title") : `${title} – ${t("viewer.title")}`;
  }

  #setTimes(hasTimes) {
    this.#hasTimes = hasTimes;
    for (const { view } of this.#sessions) view.refresh({ hasTimes });
  }

  /** Displays how many captions have been added below since the reader has scrolled away. */
  #showUnread(count) {
    this.#unread = this.#autoScroll.isOn ? 0 : count;
    element("jump").hidden = this.#autoScroll.isOn;
    setText("jump-text", t(this.#state === State.LIVE ? "viewer.jump" : "viewer.jump_to_end"));
    setText("unread", this.#unread === 0 ? "" : t("viewer.unread", { count: this.#unread }));
  }

  #jump() {
    this.#autoScroll.resume();
    element("captions").focus({ preventScroll: true }); // the button, which had the focus, is hidden
  }

  async #copy() {
    const text = this.#sessions.map(({ captions }) => captions.text).join("\n");
    element("save").open = false;
    setText("copied", ""); // so that it is announced again
    setText("copied", t((await copyText(text)) ? "viewer.copied" : "viewer.not_copied"));
    setTimeout(() => setText("copied", ""), COPIED_MS);
  }

  #translate() {
    for (const { view, root, startedAt } of this.#sessions) {
      view.refresh();
      root.querySelector(".part")?.replaceWith(partHeading(startedAt));
    }
    this.#showState();
    this.#showTitle();
  }

  #visibilityChanged() {
    if (document.visibilityState === "hidden") this.#keep(); // a phone may discard a page in the background
    else if (this.#state === State.LIVE) keepScreenOn();
  }

  #keep() {
    if (this.#state === State.FORBIDDEN || this.#state === State.NOT_FOUND) return;
    const kept = this.#sessions.map(({ session, startedAt, captions }) => ({ session, startedAt, saved: captions.saved }));
    keepCaptions(this.#page, kept);
  }
}

/** Returns the heading between two sessions of a caption event. */
function partHeading(startedAt) {
  const heading = document.createElement("h2");
  heading.className = "part";
  const time = new Intl.DateTimeFormat(locale(), { timeStyle: "short" }).format(startedAt);
  heading.textContent = t("viewer.part", { time });
  return heading;
}

/** Sets the text of an element unless it is unchanged, which would make screen readers repeat it. */
function setText(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

/** Keeps a phone's screen on during a live session, if the browser allows it. */
function keepScreenOn() {
  if (document.visibilityState === "visible") navigator.wakeLock?.request("screen").catch(() => {});
}

new Viewer().start();
addEventListener("load", () => keepPage("/assets/viewer.html"));
