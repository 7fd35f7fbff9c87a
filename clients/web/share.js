// How others come to the captions: an address, its QR code, and the transcript.

const VALID_S = 86_400; // a day

/** Returns the address of the viewer's page, with a token that shows this session only, where the gateway gives one. */
export async function makeShare(sessionId, key) {
  const path = `/v1/sessions/${encodeURIComponent(sessionId)}`;
  const headers = { "content-type": "application/json", ...(key === null ? {} : { authorization: `Bearer ${key}` }) };
  const body = JSON.stringify({ expires_after_s: VALID_S });
  const url = `/watch/${encodeURIComponent(sessionId)}`;
  try {
    const answer = await fetch(`${path}/view_tokens`, { method: "POST", headers, body });
    return await reaching({ path, url: answer.ok ? (await answer.json()).url : url });
  } catch {
    return { path, url }; // the connection was lost again
  }
}

/** Returns a share with the address by which others find the gateway, which may not be the one of this page. */
async function reaching({ path, url }) {
  const own = new URL(url, location.href);
  const answer = await fetch(`${own.pathname}/link.json${own.search}`);
  if (!answer.ok) return { path, url };
  const link = await answer.json();
  return { path, url: link.url, isReachable: link.reach === "network" };
}

/** Shows all that on the page. */
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
