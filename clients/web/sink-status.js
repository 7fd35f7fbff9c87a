// The places to which the gateway sends the captions, and whether they arrive.

import { t } from "./i18n.js";

const STATES = {
  ok: "sinks.ok",
  retrying: "sinks.retrying",
  failed: "sinks.failed",
  stopped: "sinks.stopped",
};

/** Displays the `sinks` messages of a session (docs/protocol.md). */
export class SinkStatus {
  #card;
  #list;

  /** @param card hidden while the session has no sinks. @param list `<ul>` with a line for each. */
  constructor(card, list) {
    this.#card = card;
    this.#list = list;
  }

  /** Applies a message, and returns the names of the sinks that have failed. */
  take({ sinks }) {
    this.#card.hidden = sinks.length === 0;
    this.#list.replaceChildren(...sinks.map(line));
    return sinks.filter(({ state }) => state === "failed").map(({ name }) => name);
  }

  /** Forgets the sinks of the last session. */
  clear() {
    this.take({ sinks: [] });
  }
}

function line({ name, state, sent, queued, message }) {
  const item = document.createElement("li");
  item.dataset.state = state;
  const title = document.createElement("strong");
  title.textContent = name;
  const detail = document.createElement("span");
  const counts = queued > 0 ? t("sinks.queued", { sent, queued }) : t("sinks.sent", { sent });
  detail.textContent = [Object.hasOwn(STATES, state) ? t(STATES[state]) : state, counts, message].filter(Boolean).join(" · ");
  item.append(title, detail);
  return item;
}
