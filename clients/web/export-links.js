// Links to the transcript of a session, in each format.

import { request, sessionPath } from "./api.js";
import { rememberedKey } from "./local-storage.js";

/** Suffix → name of the format, which is the same in all languages but for the text. */
const FORMATS = {
  txt: "TXT",
  docx: "Word (DOCX)",
  srt: "SubRip (SRT)",
  vtt: "WebVTT",
  ass: "ASS",
  ttml: "TTML",
  scc: "SCC",
  json: "JSON",
};

/**
 * Returns a link for each format.
 *
 * With a key, which a link cannot carry, a click downloads the file by a request instead.
 *
 * @param {string} id of the session.
 * @param {string|null} token view token that the addresses get.
 * @param {function(Error): void} onRefused called if a download fails.
 */
export function exportLinks(id, token, onRefused) {
  return Object.entries(FORMATS).map(([suffix, name]) => {
    const link = document.createElement("a");
    link.textContent = name;
    link.dataset.suffix = suffix;
    link.href = sessionPath(id, `transcript.${suffix}`) + (token === null ? "" : `?${new URLSearchParams({ token })}`);
    link.download = "";
    link.addEventListener("click", (event) => {
      if (token !== null || rememberedKey() === null) return;
      event.preventDefault();
      download(link, `${id}.${suffix}`).catch(onRefused);
    });
    return link;
  });
}

async function download(link, name) {
  const body = await request(link.getAttribute("href"));
  const blob = body instanceof Blob ? body : new Blob([JSON.stringify(body)], { type: "application/json" });
  const copy = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
  copy.click();
  setTimeout(() => URL.revokeObjectURL(copy.href), 60_000); // the browser may still be reading it
}
