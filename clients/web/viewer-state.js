// The texts of a viewer's states.

import { State } from "./events.js";

/** State → keys of its name, and of a sentence with its explanation. */
const TEXTS = {
  [State.CONNECTING]: ["state.connecting", "viewer.connecting", null],
  [State.WAITING]: ["state.waiting", "viewer.waiting", "viewer.waiting_hint"],
  [State.LIVE]: ["state.live", "viewer.live", "viewer.live_hint"],
  [State.LOST]: ["state.lost", "viewer.lost", "viewer.lost_hint"],
  [State.FULL]: ["state.full", "viewer.full", "viewer.full_hint"],
  [State.OVER]: ["state.over", "viewer.over", null],
  [State.NOT_FOUND]: ["state.not_found", "viewer.not_found", "viewer.not_found_hint"],
  [State.FORBIDDEN]: ["state.forbidden", "viewer.forbidden", "viewer.forbidden_hint"],
};

/**
 * Returns the keys of the texts of a state.
 *
 * @param state a `State`.
 * @param isEvent whether another session may follow.
 * @returns `{name, sentence, hint}`; `hint` may be null.
 */
export function textsOf(state, isEvent) {
  const [name, sentence, hint] = TEXTS[state];
  return { name, sentence, hint: state === State.OVER && isEvent ? "viewer.over_hint" : hint };
}
