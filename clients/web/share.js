// Sharing of a session: the viewers' URL, its QR code, and the transcript.

const VALID_S = 86_400; // a day

/** Returns the viewers' URL, with a token for this session only if the gateway issues one. */
export async function makeShare(sessionId, key) {
  const path = `/v1/sessions/${encodeURIComponent(sessionId)}`;
  const headers = { "content-type": "application/json", ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
  const body = JSON.stringify({ expires_after_s: VALID_S });
  const url = `/watch/${encodeURIComponent(sessionId)}`;
  try {
    const response = await fetch(`${path}/view_tokens`, { method: "POST", headers, body });
    return await withPublicUrl({ path, url: response.ok ? (await response.json()).url : url });
  } catch {
    return { path, url }; // the connection was lost again
  }
}

/** Replaces the URL by one that others can reach: this page's own address may be local. */
async function withPublicUrl({ path, url }) {
  const own = new URL(url, location.href);
  const response = await fetch(`${own.pathname}/link.json${own.search}`);
  if (!response.ok) return { path, url };
  const link = await response.json();
  return { path, url: link.url, isReachable: link.reach === "network" };
}

/** Displays the share on the page. */
export function showShare({ path, url, isReachable = true }) {
  const address = new URL(url, location.href);
  document.getElementById("link").value = address.href;
  document.getElementById("unreachable").hidden = isReachable;
  document.getElementById("qr").hidden = !isReachable;
  if (isReachable) document.getElementById("qr").src = `${path.replace("/v1/sessions/", "/watch/")}/qr.svg${address.search}`;
  for (const link of document.querySelectorAll("[data-suffix]")) {
    link.href = `${path}/transcript.${link.dataset.suffix}${address.search}`;
  }
  document.getElementById("share").hidden = false;
}
