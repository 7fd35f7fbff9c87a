// Texts of the captioner's state, and formats of its figures.

import { Link } from "./connection.js";
import { language, t } from "./i18n.js";

const FLOOR_DB = -60; // of the level meter

// Whisper's languages, used if the gateway does not list those of its engine
const LANGUAGES =
  "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it " +
  "ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn " +
  "so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo yue zh";

/** What the captioner does with audio. */
export const Phase = Object.freeze({
  IDLE: "idle",
  TESTING: "testing",
  LIVE: "live",
  PAUSED: "paused",
  NO_AUDIO: "no_audio",
  READING: "reading", // a file
  STOPPING: "stopping",
});

/** Phase → [badge, text] while connected. */
const CONNECTED = {
  testing: ["badge.testing", "phase.testing"],
  live: ["badge.live", "phase.live"],
  paused: ["badge.paused", "phase.paused"],
  no_audio: ["badge.no_audio", "phase.no_audio"],
  reading: ["badge.reading", "phase.reading"],
  stopping: ["badge.stopping", "phase.stopping"],
};

/** Phase → what happens to the audio while not connected. */
const UNSENT = {
  testing: "unsent.nobody",
  live: "unsent.kept",
  paused: "unsent.none",
  no_audio: "unsent.kept",
  reading: "unsent.file",
  stopping: "unsent.last",
};

/**
 * Returns the state of the page: `state`, which captioner.css colours, its badge and its text.
 *
 * @param {string} phase a `Phase`.
 * @param {string} link a `Link`.
 * @param {{isFinished: boolean, seq: number}} captions of the last session.
 */
export function describeState(phase, link, captions) {
  if (phase === Phase.IDLE) {
    if (captions.isFinished) return described("ended", "badge.ended", "phase.ended");
    if (captions.seq > 0) return described("failed", "badge.ended", "phase.ended_early");
    return described("idle", "badge.idle", "phase.idle");
  }
  switch (link) {
    case Link.CONNECTING:
      return described("connecting", "badge.connecting", "phase.connecting", UNSENT[phase]);
    case Link.LOST:
      return described("reconnecting", "badge.reconnecting", "phase.reconnecting", UNSENT[phase]);
    case Link.LOCKED:
      return described("locked", "badge.locked", "phase.locked", UNSENT[phase]);
    default:
      return described(phase, ...CONNECTED[phase]);
  }
}

function described(state, badge, ...texts) {
  return { state, badge: t(badge), text: texts.map((key) => t(key)).join(" ") };
}

/** Returns what is displayed in a phase until there are captions. */
export function hintOf(phase) {
  switch (phase) {
    case Phase.IDLE:
      return { title: t("hint.idle"), text: t("hint.idle_next") };
    case Phase.TESTING:
      return { title: t("hint.testing"), text: t("hint.testing_next") };
    case Phase.READING:
      return { title: t("hint.reading"), text: "" };
    default:
      return { title: t("hint.live"), text: "" };
  }
}

/** Formats of the displayed numbers. */
export const figures = {
  seconds: (s) => `${s.toFixed(1)} s`,
  latency: (parts) => `${(Object.values(parts).reduce((sum, ms) => sum + ms, 0) / 1000).toFixed(2)} s`,
  elapsed(s) {
    const [hours, minutes, seconds] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, Math.floor(s) % 60];
    const padded = (number) => String(number).padStart(2, "0");
    return hours > 0 ? `${hours}:${padded(minutes)}:${padded(seconds)}` : `${minutes}:${padded(seconds)}`;
  },
};

/** Returns the position of the level meter, 0 to 1, for a peak of 0 to 1: in decibels, as loudness is perceived. */
export function levelOf(peak) {
  return peak > 0 ? Math.max(0, 1 - (20 * Math.log10(peak)) / FLOOR_DB) : 0;
}

/** Fills a select with languages, sorted by name: those of the engine, or all of Whisper's if unknown. */
export function fillLanguages(select, codes) {
  const chosen = select.value;
  const names = new Intl.DisplayNames([language()], { type: "language" });
  const known = codes.length > 0 ? codes : LANGUAGES.split(" ");
  const named = known.map((code) => [names.of(code === "jw" ? "jv" : code), code]);
  named.sort(([left], [right]) => left.localeCompare(right, language()));
  select.replaceChildren(new Option(t("captioner.detected"), ""), ...named.map(([name, code]) => new Option(name, code)));
  select.value = chosen;
  if (select.selectedIndex < 0) select.value = "";
}

/** Returns the codes of the languages that the gateway's engine supports; none if unknown. */
export async function engineLanguages() {
  try {
    return (await (await fetch("/readyz")).json()).languages ?? [];
  } catch {
    return []; // the gateway cannot be reached, or its answer is invalid
  }
}
