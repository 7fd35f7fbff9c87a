// The bar of buttons and figures, and the state of the page: badge, strip, elapsed time.

import { t } from "./i18n.js";
import { Phase, describeState, figures } from "./status-text.js";

const OPEN = new Set([Phase.LIVE, Phase.PAUSED, Phase.NO_AUDIO, Phase.READING, Phase.STOPPING]);

const element = (id) => document.getElementById(id);

/** Returns whether a session is open in a phase; a test is none. */
export function isOpenPhase(phase) {
  return OPEN.has(phase);
}

/** Displays the buttons and the state. `captions` are those of the page, `hasWords` whether there are any. */
export function showState({ phase, link, captions, hasWords, hasFile }) {
  const isOpen = isOpenPhase(phase);
  element("start").hidden = element("test").hidden = isOpen;
  element("start").textContent = phase === Phase.IDLE && hasWords ? t("captioner.start_new") : t("captioner.start");
  element("test").textContent = phase === Phase.TESTING ? t("captioner.end_test") : t("captioner.test");
  element("continue").hidden = phase !== Phase.PAUSED && phase !== Phase.NO_AUDIO;
  element("pause").hidden = phase !== Phase.LIVE;
  element("stop").hidden = !isOpen;
  element("stop").textContent = phase === Phase.STOPPING ? t("captioner.stop_now") : t("captioner.stop");
  element("level-field").hidden = hasFile;
  element("progress-field").hidden = !hasFile;
  const { state, badge, text } = describeState(phase, link, captions);
  for (const id of ["badge", "state"]) element(id).dataset.state = state;
  setText("badge", badge);
  setText("state", text);
  document.body.dataset.stage = isOpen ? "live" : phase === Phase.IDLE && hasWords ? "ended" : "setup";
  document.title = phase === Phase.IDLE ? t("captioner.heading") : `${badge} – ${t("captioner.heading")}`;
}

/** Displays the time since the start, or nothing. */
export function showElapsed(startedMs, nowMs = Date.now()) {
  element("elapsed").hidden = startedMs === null;
  if (startedMs !== null) setText("elapsed", figures.elapsed((nowMs - startedMs) / 1000));
}

/** Displays the backlog of a session. */
export function showBacklog({ unsentS, lagS }) {
  setText("unsent", figures.seconds(unsentS));
  setText("lag", figures.seconds(lagS));
}

/** Displays the latency of a final, in parts. */
export function showLatency(parts) {
  setText("latency", figures.latency(parts));
}

/** Displays how much of a file is transcribed, 0 to 1; null: it is being read. */
export function showProgress(name, share) {
  const progress = element("progress");
  if (share === null) progress.removeAttribute("value");
  else progress.value = share;
  const percent = share === null ? t("file.reading", { name }) : t("file.progress", { name, percent: Math.floor(share * 100) });
  setText("progress-label", percent);
}

function setText(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text; // status regions announce changes
}
