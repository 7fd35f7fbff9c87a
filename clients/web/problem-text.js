// Errors in the words of the user, each with the next step.

import { t } from "./i18n.js";

/** Code of the gateway (docs/protocol.md, docs/rest.md) or of `connection.js` → key of its text. */
const TEXTS = {
  abandoned: "problem.abandoned",
  audio_lost: "problem.audio_lost",
  concurrency_limited: "problem.concurrency_limited",
  connection_lost: null,
  conflict: "problem.conflict",
  draining: "problem.draining",
  engine_error: "problem.engine",
  engine_failed: "problem.engine",
  engine_timeout: "problem.engine",
  forbidden_address: "problem.forbidden_address",
  forbidden_host: "problem.forbidden_host",
  forbidden_origin: "problem.forbidden_origin",
  idle_timeout: "problem.idle_timeout",
  insufficient_credits: "problem.insufficient_credits",
  insufficient_scope: "problem.insufficient_scope",
  internal_error: "problem.internal_error",
  lagging: "problem.lagging",
  no_answer: "problem.no_answer",
  not_resumable: "problem.not_resumable",
  overload_over: null,
  overloaded: "problem.overloaded",
  partials_off: "problem.behind",
  partials_paused: "problem.behind",
  partials_stretched: "problem.behind",
  rate_limited: "problem.rate_limited",
  resumed_elsewhere: "problem.resumed_elsewhere",
  session_moved: null,
  session_not_found: "problem.session_not_found",
  session_open: "problem.session_open",
  sessions_refused: null,
  slow_reader: null,
  unauthorized: "problem.unauthorized",
  unavailable: "problem.unavailable",
  unreachable: "problem.unreachable",
};

/** Returns the text of an error, or null if it is none for the user; a code without a text has the gateway's message. */
export function problemText({ code, message }) {
  if (!code) return message ?? null;
  const key = Object.hasOwn(TEXTS, code) ? TEXTS[code] : undefined;
  if (key === undefined) return message ?? code;
  return key === null ? null : t(key);
}
