// Serves the viewer's page from the browser's cache while there is no network, so that a reload keeps what it displayed.
// With a network, everything comes from the gateway. `offline.js` fills the cache.

const VIEWER = "/assets/viewer.html";

/** Returns the URL under which an answer is cached, without the view token; null: it is not. */
function cachedAs({ method, mode, url }) {
  const { origin, pathname, searchParams } = new URL(url);
  if (method !== "GET" || origin !== location.origin) return null;
  if (pathname.startsWith("/assets/")) return pathname;
  const isViewer = /^\/(watch|e)\/[^/]+$/.test(pathname) && !searchParams.has("overlay");
  return mode === "navigate" && isViewer ? VIEWER : null;
}

addEventListener("fetch", (event) => {
  const key = cachedAs(event.request);
  if (key === null) return;
  const answer = fetch(event.request).catch(async (error) => {
    const cached = await caches.match(key);
    if (cached === undefined) throw error;
    return cached;
  });
  event.respondWith(answer);
});
