// Texts of the captioner's page.

import { Link } from "./connection.js";

const FLOOR_DB = -60; // of the level meter

// Whisper's languages, if the gateway does not list those of its engine
const LANGUAGES =
  "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it " +
  "ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn " +
  "so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh";

const LIVE_WORDS = {
  live: "Live: what is said becomes captions.",
  paused: "Paused: nothing is sent.",
  mute: "Waiting for sound.",
  stopping: "Stopping: the last words are on their way.",
};

const UNSENT_WORDS = {
  live: "What is said is kept here and follows.",
  paused: "Nothing is sent.",
  mute: "What was said is kept here and follows.",
  stopping: "The last sound is kept here and follows.",
};

/** Returns how it stands: the words, and a state as the shared style names them. */
export function stateWords(phase, link, captions) {
  if (phase === "idle") {
    if (captions.isFinished) return { state: "idle", words: "Stopped: all has been answered." };
    if (captions.seq > 0) return { state: "failed", words: "Stopped before all was answered." };
    return { state: "idle", words: "Not started." };
  }
  switch (link) {
    case Link.CONNECTING:
      return { state: "connecting", words: `Connecting. ${UNSENT_WORDS[phase]}` };
    case Link.LOST:
      return { state: "lost", words: `Not connected: it is tried again. ${UNSENT_WORDS[phase]}` };
    case Link.LOCKED:
      return { state: "forbidden", words: `Locked: the gateway wants a key. ${UNSENT_WORDS[phase]}` };
    default:
      return { state: phase === "mute" ? "lost" : "live", words: LIVE_WORDS[phase] };
  }
}

/** Numbers as the page shows them. */
export const figures = {
  seconds: (s) => `${s.toFixed(1)} s`,
  latency: (parts) => `${(Object.values(parts).reduce((sum, ms) => sum + ms, 0) / 1000).toFixed(2)} s`,
};

/** Returns the gateway's words as a sentence. */
export function sentence(words) {
  const text = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Returns how far the level meter goes for a peak of 0 to 1: in decibels, as loudness is felt. */
export function levelOf(peak) {
  return peak > 0 ? Math.max(0, 1 - (20 * Math.log10(peak)) / FLOOR_DB) : 0;
}

/** Adds languages to a select, by their names: those of the engine, or all if unknown. */
export function fillLanguages(select, codes) {
  const names = new Intl.DisplayNames(["en"], { type: "language" });
  const known = codes.length > 0 ? codes : LANGUAGES.split(" ");
  const named = known.map((code) => [names.of(code === "jw" ? "jv" : code), code]);
  named.sort(([left], [right]) => left.localeCompare(right, "en"));
  for (const [name, code] of named) select.add(new Option(name, code));
}

/** Returns the codes of the languages that the gateway's engine supports; none if unknown. */
export async function engineLanguages() {
  try {
    return (await (await fetch("/readyz")).json()).languages ?? [];
  } catch {
    return []; // the gateway cannot be reached, or its answer is invalid
  }
}
