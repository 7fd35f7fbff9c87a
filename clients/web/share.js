// Sharing: the viewers' address and its QR code, of a caption event or, where there are none, of a session.

import { request, sessionPath } from "./api.js";
import { copyText } from "./clipboard.js";
import { t } from "./i18n.js";
import { OverlayLink } from "./overlay-link.js";

const VALID_S = 86_400; // a day

const element = (id) => document.getElementById(id);

/**
 * What viewers get.
 *
 * @typedef {object} Share
 * @property {string} address absolute URL of the viewer page, with a view token if the gateway requires one.
 * @property {boolean} isReachable whether other machines can reach it.
 * @property {string|null} qr path of its QR code; null: there is none, since nobody else could follow it.
 * @property {string|null} token view token; null: none is needed.
 */

/** Returns the share of a page's path, such as `/e/NAME?token=…`, with the address by which others reach it. */
export async function shareOf(path) {
  const own = new URL(path, location.href);
  const token = own.searchParams.get("token");
  try {
    const { url, reach } = await request(`${own.pathname}/link.json${own.search}`);
    const isReachable = reach === "network";
    return { address: url, isReachable, qr: isReachable ? `${own.pathname}/qr.svg${own.search}` : null, token };
  } catch {
    return { address: own.href, isReachable: true, qr: null, token }; // not known: rather no warning than a wrong one
  }
}

/** Returns the share of one session, with a token for it only if the gateway issues one. */
export async function shareOfSession(id) {
  try {
    const { url } = await request(sessionPath(id, "view_tokens"), { method: "POST", body: { expires_after_s: VALID_S } });
    return await shareOf(url);
  } catch {
    return shareOf(`/watch/${encodeURIComponent(id)}`); // without a journal there are no tokens
  }
}

/** Displays a share on the page. */
export class ShareCard {
  #overlay = new OverlayLink();
  #share = null;

  constructor() {
    bindCopy("link", "copy", "copied");
    bindCopy("overlay-link", "copy-overlay", "copied-overlay");
  }

  /** The displayed `Share`, or null. */
  get share() {
    return this.#share;
  }

  /** @param {Share|null} share null: there is none yet. */
  show(share) {
    this.#share = share;
    const address = share?.address ?? null;
    element("linked").hidden = share === null;
    element("no-link").hidden = share !== null;
    element("open-viewer").hidden = share === null;
    this.#overlay.viewer = address;
    if (share === null) return;
    element("link").value = address;
    for (const id of ["open-viewer", "open-link"]) element(id).href = address;
    element("unreachable").hidden = share.isReachable;
    element("qr").hidden = share.qr === null;
    if (share.qr !== null) element("qr").src = share.qr;
  }
}

function bindCopy(field, button, note) {
  element(button).addEventListener("click", async () => {
    element(note).textContent = await copied(element(field).value, element(field));
  });
}

/**
 * Copies a text, and returns the note for the user.
 *
 * @param {string} text
 * @param {HTMLInputElement|null} field selected where the browser does not allow copying.
 */
export async function copied(text, field = null) {
  if (await copyText(text)) return t("share.copied");
  field?.select();
  return t(field === null ? "share.not_copied" : "share.selected");
}
