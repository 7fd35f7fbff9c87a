// The addresses of the pages of viewers, and of what they request.

/** Returns the URL of a session's resource, with the page's own view token. */
export function sessionAddress({ session, token }, name, query = {}) {
  return `/v1/sessions/${encodeURIComponent(session)}/${name}${search({ ...query, token })}`;
}

/** Returns the URL of a caption event's state, with the page's own view token. */
export function eventAddress({ event, token }, query = {}) {
  return `/v1/events/${encodeURIComponent(event)}${search({ ...query, token })}`;
}

/** Returns what a page's URL names, one of `session` and `event`, or null: `/watch/SESSION?token=…`, `/e/EVENT`. */
export function placeOf({ pathname, search }) {
  const [, kind, name] = /^.*\/(watch|e)\/([^/]*)$/.exec(pathname);
  const named = decodeURIComponent(name);
  const token = new URLSearchParams(search).get("token");
  return { session: kind === "watch" ? named : null, event: kind === "e" ? named : null, token };
}

/** Returns the query with the values that are not null. */
function search(values) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== null)).toString();
  return query && `?${query}`;
}
