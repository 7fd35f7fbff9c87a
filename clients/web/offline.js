// Keeps the page in the browser's cache, from which service-worker.js serves it while there is no network.

const CACHE = "livecue";

/**
 * Keeps the page and everything it has loaded from `/assets/`.
 *
 * Browsers offer this over HTTPS and on the gateway's own machine only; elsewhere, a reload needs the network.
 *
 * @param page the URL of the page's file, under `/assets/`.
 */
export async function keepPage(page) {
  if (!navigator.serviceWorker) return;
  const loaded = performance.getEntriesByType("resource").map(({ name }) => new URL(name).pathname);
  const paths = new Set([page, ...loaded.filter((path) => path.startsWith("/assets/"))]);
  try {
    await navigator.serviceWorker.register("/service-worker.js");
    const cache = await caches.open(CACHE);
    await Promise.all([...paths].map((path) => keep(cache, path)));
  } catch {
    // the browser forbids storage, or the network is lost
  }
}

async function keep(cache, path) {
  const response = await fetch(path, { cache: "force-cache" }); // the page has just loaded it
  if (response.ok) await cache.put(path, response);
}
