// The viewer: the captions of one session, large and readable.

import { CaptionView, Following } from "./caption-view.js";
import { Captions } from "./captions.js";
import { SessionEvents, State, placeOf, sessionAddress } from "./events.js";
import { useSize, useTheme } from "./preferences.js";

const SAYS = {
  [State.CONNECTING]: "Connecting …",
  [State.LIVE]: "Live",
  [State.LOST]: "The connection is lost. Trying again …",
  [State.FULL]: "Too many people watch at this moment. Trying again …",
  [State.OVER]: "This session is over.",
  [State.NOT_FOUND]: "There is no such session. It may be over, or the address is incomplete.",
  [State.FORBIDDEN]: "This link is not valid, or has expired. Ask for a new one.",
};

/** Captions from before the page was opened arrive within this time; screen readers do not announce them. */
const HISTORY_MS = 1_000;

const element = (id) => document.getElementById(id);

const place = placeOf(location);
const captions = new Captions();
const following = new Following(element("back"));
const view = new CaptionView(captions, element("history"), element("now"), () => {
  sayWhetherEmpty();
  following.follow();
});
let state = State.CONNECTING;
let isReadOut = false;

function sayWhetherEmpty() {
  const isEmpty = !element("history").hasChildNodes() && !element("now").hasChildNodes();
  element("empty").hidden = !(isEmpty && state === State.LIVE);
}

function onState(next) {
  state = next;
  const says = element("state");
  says.dataset.state = state;
  if (says.textContent !== SAYS[state]) says.textContent = SAYS[state];
  sayWhetherEmpty();
  if (state === State.LIVE && !isReadOut) setTimeout(readOut, HISTORY_MS);
  if (state === State.LIVE) stayAwake();
}

function readOut() {
  isReadOut = true;
  element("history").setAttribute("aria-live", "polite");
}

/** A phone's screen stays on while there is something to read; where the browser does not want that, it goes off. */
function stayAwake() {
  if (document.visibilityState === "visible") navigator.wakeLock?.request("screen").catch(() => {});
}

for (const link of document.querySelectorAll("[data-suffix]")) {
  link.href = sessionAddress(place, `transcript.${link.dataset.suffix}`);
}
document.addEventListener("visibilitychange", () => state === State.LIVE && stayAwake());
document.addEventListener("keydown", ({ key }) => {
  if (key === "Escape") element("downloads").open = false;
});

useTheme(element("theme"));
useSize(element("smaller"), element("larger"));
new SessionEvents(place, (message) => view.show(captions.take(message)), onState).open();
