// State of the captioner that survives a reload, in this tab only.

const SESSION = "livecue.captioner";
const KEY = "livecue.key";

/** Returns the record that `rememberSession` stored, or null. */
export function rememberedSession() {
  try {
    return JSON.parse(sessionStorage.getItem(SESSION));
  } catch {
    return null; // the browser forbids storage
  }
}

/**
 * Stores the session for a reload; null removes it.
 *
 * @param {{saved: object, silent: object}|null} record `saved` is from `Session.save()`, `silent` from `Session.save(0)`:
 *   it is stored instead if there is no room for the audio.
 */
export function rememberSession(record) {
  if (record === null) put(SESSION, null);
  else if (!put(SESSION, JSON.stringify(record))) put(SESSION, JSON.stringify({ ...record, saved: record.silent }));
}

/** Returns the gateway's key, or null. */
export function rememberedKey() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

export function rememberKey(key) {
  put(KEY, key);
}

/** Returns whether the value was stored. */
function put(name, value) {
  try {
    if (value === null) sessionStorage.removeItem(name);
    else sessionStorage.setItem(name, value);
    return true;
  } catch {
    return false;
  }
}

/**
 * Waits until no other tab holds the session, and holds it until the returned function is called.
 *
 * A duplicated tab has a copy of the same record. Returns null if another tab keeps holding the session.
 */
export function claim(id, withinMs) {
  if (!navigator.locks) return Promise.resolve(() => {});
  return new Promise((resolve) => {
    const held = () => new Promise((release) => resolve(release));
    navigator.locks.request(`livecue.${id}`, { signal: AbortSignal.timeout(withinMs) }, held).catch(() => resolve(null));
  });
}
