// What the captioner's page remembers over a reload, in this tab only.

const SESSION = "livecue.session";
const KEY = "livecue.key";

/** Returns what `rememberSession` was given last, or null. */
export function rememberedSession() {
  try {
    return JSON.parse(sessionStorage.getItem(SESSION));
  } catch {
    return null; // a browser that keeps nothing
  }
}

/**
 * Remembers how the session goes on, or with null that there is none.
 *
 * @param {{saved: object}|null} record `saved` is what `Session.save` returns.
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

/** Returns whether there was room. */
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
 * Waits until no other tab has a session, and keeps others from it until the returned function is called.
 *
 * A tab that is duplicated remembers the same session. Returns null where another tab keeps it.
 */
export function claim(id, withinMs) {
  if (!navigator.locks) return Promise.resolve(() => {});
  return new Promise((resolve) => {
    const held = () => new Promise((release) => resolve(release));
    navigator.locks.request(`livecue.${id}`, { signal: AbortSignal.timeout(withinMs) }, held).catch(() => resolve(null));
  });
}
