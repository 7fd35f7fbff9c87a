// Requests to the gateway's HTTP interface, with the key that this tab has.

import { rememberedKey } from "./local-storage.js";

const TIMEOUT_MS = 15_000;

/** The gateway has refused a request, or cannot be reached: then `status` is 0 and `code` is "unreachable". */
export class Refused extends Error {
  /**
   * @param {number} status of HTTP.
   * @param {{code: string, message: string, details?: object|null}} error as in docs/rest.md.
   */
  constructor(status, { code, message, details = null }) {
    super(message);
    this.status = status;
    this.code = code;
    this.details = details;
  }
}

/**
 * Sends a request, and returns the body of the response: an object if it is JSON, else a Blob.
 *
 * @param {string} path with its query.
 * @param {{method?: string, body?: object}} options
 * @throws {Refused}
 */
export async function request(path, { method = "GET", body } = {}) {
  const key = rememberedKey();
  const headers = key === null ? {} : { authorization: `Bearer ${key}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    response = await fetch(path, { method, headers, body: JSON.stringify(body), cache: "no-store", signal });
  } catch (error) {
    throw new Refused(0, { code: "unreachable", message: error.message });
  }
  if (!response.ok) throw new Refused(response.status, await errorOf(response));
  return /\bjson\b/.test(response.headers.get("content-type") ?? "") ? response.json() : response.blob();
}

async function errorOf(response) {
  try {
    const { error } = await response.json();
    if (error.code && error.message) return error;
  } catch {
    // not from the gateway but from a proxy in front of it
  }
  return { code: `http_${response.status}`, message: `${response.status} ${response.statusText}` };
}

/** Returns the address of the native protocol (docs/protocol.md). */
export function streamAddress() {
  return `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/v1/stream`;
}

/** Returns the path of a session's resource. */
export function sessionPath(id, ...rest) {
  return ["/v1/sessions", id, ...rest].map((part, index) => (index ? encodeURIComponent(part) : part)).join("/");
}

/** Returns all messages of a session that is over, in order. Throws `Refused`. */
export async function sessionMessages(id) {
  const body = await request(sessionPath(id, "events"));
  if (!(body instanceof Blob)) return [];
  const lines = (await body.text()).split(/\r?\n/);
  return lines.filter((line) => line.startsWith("data:")).map((line) => JSON.parse(line.slice("data:".length)));
}
