// The viewer: the captions of one session, large and readable.

import { AutoScroll, CaptionView } from "./caption-view.js";
import { Captions } from "./captions.js";
import { SessionEvents, State, placeOf, sessionAddress } from "./events.js";
import { localize, useLanguage } from "./i18n.js";
import { useSize, useTheme } from "./preferences.js";

const STATE_TEXT = {
  [State.CONNECTING]: "Connecting …",
  [State.LIVE]: "Live",
  [State.LOST]: "Connection lost. Retrying …",
  [State.FULL]: "Too many viewers. Retrying …",
  [State.OVER]: "This session is over.",
  [State.NOT_FOUND]: "No such session. It may be over, or the link is incomplete.",
  [State.FORBIDDEN]: "This link is not valid, or has expired. Ask for a new one.",
};

/** Earlier captions arrive within this time; screen readers do not announce them. */
const HISTORY_MS = 1_000;

const element = (id) => document.getElementById(id);

const place = placeOf(location);
const captions = new Captions();
const autoScroll = new AutoScroll(element("back"));
const view = new CaptionView(captions, element("history"), element("now"), () => {
  updateEmptyHint();
  autoScroll.follow();
});
let state = State.CONNECTING;
let isAnnouncing = false;

function updateEmptyHint() {
  const isEmpty = !element("history").hasChildNodes() && !element("now").hasChildNodes();
  element("empty").hidden = !(isEmpty && state === State.LIVE);
}

function onState(next) {
  state = next;
  const status = element("state");
  status.dataset.state = state;
  if (status.textContent !== STATE_TEXT[state]) status.textContent = STATE_TEXT[state];
  updateEmptyHint();
  if (state === State.LIVE && !isAnnouncing) setTimeout(announceFinals, HISTORY_MS);
  if (state === State.LIVE) keepScreenOn();
}

function announceFinals() {
  isAnnouncing = true;
  element("history").setAttribute("aria-live", "polite");
}

/** Keeps a phone's screen on during a live session, if the browser allows it. */
function keepScreenOn() {
  if (document.visibilityState === "visible") navigator.wakeLock?.request("screen").catch(() => {});
}

for (const link of document.querySelectorAll("[data-suffix]")) {
  link.href = sessionAddress(place, `transcript.${link.dataset.suffix}`);
}
document.addEventListener("visibilitychange", () => state === State.LIVE && keepScreenOn());
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") element("downloads").open = false;
});

localize();
useLanguage(element("language"));
useTheme(element("theme"));
useSize(element("smaller"), element("larger"));
new SessionEvents(place, (message) => view.update(captions.take(message)), onState).open();
