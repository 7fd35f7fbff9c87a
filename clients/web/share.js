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
    return { path, url: answer.ok ? (await answer.json()).url : url };
  } catch {
    return { path, url }; // the connection was lost again
  }
}

/** Shows all that on the page. */
export function showShare({ path, url }) {
  const address = new URL(url, location.href);
  document.getElementById("link").value = address.href;
  document.getElementById("qr").src = `${address.pathname}/qr.svg${address.search}`;
  for (const link of document.querySelectorAll("[data-suffix]")) {
    link.href = `${path}/transcript.${link.dataset.suffix}${address.search}`;
  }
  document.getElementById("share").hidden = false;
}
