// State of the captioner that survives a reload: the session and the key in this tab only, choices in this browser.

const SESSION = "livecue.captioner";
const KEY = "livecue.key";
const EVENT = "livecue.event";
const CHOICES = "livecue.choices";

/** Returns the record that `rememberSession` stored, or null. */
export function rememberedSession() {
  return parsed(() => sessionStorage, SESSION);
}

/**
 * Stores the session for a reload; null removes it.
 *
 * @param {{saved: object, silent: object}|null} record `saved` is from `Session.save()`, `silent` from `Session.save(0)`:
 *   it is stored instead if there is no room for the audio.
 */
export function rememberSession(record) {
  if (record === null) put(() => sessionStorage, SESSION, null);
  else if (!put(() => sessionStorage, SESSION, JSON.stringify(record))) {
    put(() => sessionStorage, SESSION, JSON.stringify({ ...record, saved: record.silent }));
  }
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
  put(() => sessionStorage, KEY, key);
}

/** Returns the caption event `{name, path, expires_at}` of this browser, or null. */
export function rememberedEvent() {
  return parsed(() => localStorage, EVENT);
}

export function rememberEvent(event) {
  put(() => localStorage, EVENT, JSON.stringify(event));
}

/** Returns what the user chose last, by the id of the field; `names` are the channels' names. */
export function rememberedChoices() {
  return parsed(() => localStorage, CHOICES) ?? {};
}

/** Adds to what `rememberedChoices` returns. */
export function rememberChoices(choices) {
  put(() => localStorage, CHOICES, JSON.stringify({ ...rememberedChoices(), ...choices }));
}

/** Returns a stored value, or null; the browser may forbid storage, even the access to its object. */
function parsed(storage, name) {
  try {
    return JSON.parse(storage().getItem(name));
  } catch {
    return null;
  }
}

/** Returns whether the value was stored. */
function put(storage, name, value) {
  try {
    if (value === null) storage().removeItem(name);
    else storage().setItem(name, value);
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
