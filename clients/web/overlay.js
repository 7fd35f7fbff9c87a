// The overlay: the newest lines of a session or caption event on a transparent background, for OBS and vMix.

import { placeOf } from "./addresses.js";
import { Captions } from "./captions.js";
import { State } from "./events.js";
import { Feed } from "./feed.js";
import { overlayOptions } from "./overlay-options.js";

const options = overlayOptions(location.search);
const root = document.documentElement;
for (const [property, value] of Object.entries(options.style)) root.style.setProperty(property, value);
root.classList.toggle("top", options.isTop);

const target = document.getElementById("lines");
let captions = new Captions();
let clearing = null;
let isConnected = false;

/** Schedules the disappearance of the lines once no words are outstanding, or the connection is lost. */
function scheduleClear() {
  const isDone = !captions.isPending || !isConnected;
  if (!isDone) {
    clearTimeout(clearing);
    clearing = null;
  } else if (clearing === null && target.hasChildNodes()) {
    clearing = setTimeout(clear, options.clearMs);
  }
}

function clear() {
  clearing = null;
  captions.discardFinals();
  if (isConnected) render();
  else target.replaceChildren();
}

function render() {
  const lines = captions.lastLines(options.lines).filter(({ stable, tail }) => stable + tail);
  target.replaceChildren(...lines.map(paragraph));
  scheduleClear();
}

function paragraph({ stable, tail, speaker }) {
  const line = document.createElement("p");
  line.dir = "auto";
  const box = span("line");
  if (options.hasNames && speaker) box.append(span("name", `${speaker.name}: `));
  if (stable) box.append(span("words", stable));
  if (tail) box.append(span("tail", tail));
  line.append(box);
  return line;
}

function span(name, text) {
  const part = document.createElement("span");
  part.className = name;
  part.textContent = text;
  return part;
}

const on = {
  session() {
    captions = new Captions();
    render();
  },
  message(message) {
    captions.take(message);
    render();
  },
  state(state) {
    isConnected = state === State.LIVE;
    root.dataset.state = state;
    scheduleClear();
  },
  title(title) {
    document.title = title ?? document.title;
  },
};

new Feed(placeOf(location), on).open();
