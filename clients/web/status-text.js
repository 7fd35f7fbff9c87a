// Texts of the captioner.

import { Link } from "./connection.js";

const FLOOR_DB = -60; // of the level meter

// Whisper's languages, used if the gateway does not list those of its engine
const LANGUAGES =
  "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it " +
  "ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn " +
  "so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh";

const LIVE_TEXT = {
  live: "Live: speech is captioned.",
  paused: "Paused: no audio is sent.",
  no_audio: "Waiting for audio.",
  stopping: "Stopping: waiting for the last words.",
};

const UNSENT_TEXT = {
  live: "Audio is kept here and sent later.",
  paused: "No audio is sent.",
  no_audio: "Captured audio is kept here and sent later.",
  stopping: "The last audio is kept here and sent later.",
};

/** Returns the state of the page: its text, and a state named in style.css. */
export function describeState(phase, link, captions) {
  if (phase === "idle") {
    if (captions.isFinished) return { state: "idle", text: "Stopped: all audio was transcribed." };
    if (captions.seq > 0) return { state: "failed", text: "Stopped before all audio was transcribed." };
    return { state: "idle", text: "Not started." };
  }
  switch (link) {
    case Link.CONNECTING:
      return { state: "connecting", text: `Connecting. ${UNSENT_TEXT[phase]}` };
    case Link.LOST:
      return { state: "lost", text: `Not connected: retrying. ${UNSENT_TEXT[phase]}` };
    case Link.LOCKED:
      return { state: "forbidden", text: `Locked: the gateway requires an API key. ${UNSENT_TEXT[phase]}` };
    default:
      return { state: phase === "no_audio" ? "lost" : "live", text: LIVE_TEXT[phase] };
  }
}

/** Formats of the displayed numbers. */
export const figures = {
  seconds: (s) => `${s.toFixed(1)} s`,
  latency: (parts) => `${(Object.values(parts).reduce((sum, ms) => sum + ms, 0) / 1000).toFixed(2)} s`,
};

/** Returns a message of the gateway as a sentence. */
export function sentence(message) {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Returns the position of the level meter, 0 to 1, for a peak of 0 to 1: in decibels, as loudness is perceived. */
export function levelOf(peak) {
  return peak > 0 ? Math.max(0, 1 - (20 * Math.log10(peak)) / FLOOR_DB) : 0;
}

/** Adds languages to a select, sorted by name: those of the engine, or all of Whisper's if unknown. */
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
