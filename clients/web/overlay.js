// The overlay: the newest lines of a session on a transparent background, for OBS and vMix.

import { Captions } from "./captions.js";
import { SessionEvents, State, placeOf } from "./events.js";

/** Lines disappear this long after the end of the last speech, as in other overlays. */
const CLEAR_MS = 2_000;

const MAX_LINES = 8;
const MAX_CLEAR_S = 60;

const params = new URLSearchParams(location.search);

/** Returns a number from the query, or the fallback if it is missing or out of range. */
function param(name, minimum, maximum, fallback) {
  const value = Number.parseFloat(params.get(name) ?? "");
  return value >= minimum && value <= maximum ? value : fallback;
}

const count = Math.round(param("lines", 1, MAX_LINES, 2));
const clearMs = param("clear", 0, MAX_CLEAR_S, CLEAR_MS / 1_000) * 1_000;
const root = document.documentElement;
root.style.setProperty("--lines", String(count));
root.style.setProperty("--size", `${param("size", 1, 20, 4)}vw`);
root.classList.toggle("top", params.get("position") === "top");

const captions = new Captions();
const target = document.getElementById("lines");
let clearing = null;
let isConnected = false;

/** Schedules the disappearance of the lines once no words are outstanding, or the connection is lost. */
function scheduleClear() {
  const isDone = !captions.isPending || !isConnected;
  if (!isDone) {
    clearTimeout(clearing);
    clearing = null;
  } else if (clearing === null && target.hasChildNodes()) {
    clearing = setTimeout(clear, clearMs);
  }
}

function clear() {
  clearing = null;
  captions.discardFinals();
  if (isConnected) render();
  else target.replaceChildren();
}

function render() {
  const lines = captions.lastLines(count).filter(({ stable, tail }) => stable + tail);
  target.replaceChildren(...lines.map(paragraph));
  scheduleClear();
}

function paragraph({ stable, tail }) {
  const line = document.createElement("p");
  line.dir = "auto";
  if (stable) line.append(span("words", stable));
  if (tail) line.append(span("tail", tail));
  return line;
}

function span(name, text) {
  const part = document.createElement("span");
  part.className = name;
  part.textContent = text;
  return part;
}

function onMessage(message) {
  captions.take(message);
  render();
}

function onState(state) {
  isConnected = state === State.LIVE;
  root.dataset.state = state;
  scheduleClear();
}

new SessionEvents(placeOf(location), onMessage, onState).open();
