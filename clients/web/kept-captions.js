// The captions on a viewer's page, kept for a reload without a network. In this tab only.

const PREFIX = "livecue.captions.";

/** Returns what `keepCaptions` stored for a page, oldest session first: `{session, startedAt, saved}` each. */
export function keptCaptions(page) {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + page)) ?? [];
  } catch {
    return []; // the browser forbids storage
  }
}

/** Stores the sessions of a page, without the oldest ones if there is no room for all. */
export function keepCaptions(page, sessions) {
  for (let first = 0; first < sessions.length; first++) {
    try {
      sessionStorage.setItem(PREFIX + page, JSON.stringify(sessions.slice(first)));
      return;
    } catch {
      // no room
    }
  }
}

/** Deletes what is stored for a page. */
export function forgetCaptions(page) {
  try {
    sessionStorage.removeItem(PREFIX + page);
  } catch {
    // nothing is stored
  }
}
