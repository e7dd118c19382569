// Lets the page start without a network. It keeps the page and its files, and none of the data: what people have said
// and who they are is never in its cache. `shell.ts` puts in the names at the build.
const VERSION = "__VERSION__";
const SHELL = __SHELL__;
const NAME = `hubline-shell-${VERSION}`;

self.addEventListener("install", (event) => {
  const fresh = SHELL.map((path) => new Request(path, { cache: "no-cache" }));
  event.waitUntil(caches.open(NAME).then((cache) => cache.addAll(fresh)));
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches.keys().then((names) => Promise.all(names.filter((name) => name.startsWith("hubline-shell-") && name !== NAME).map((name) => caches.delete(name)))),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin) return;
  const scope = new URL(self.registration.scope);
  if (request.mode === "navigate" && url.pathname === scope.pathname) event.respondWith(page(request));
  else if (url.pathname.startsWith(`${scope.pathname}assets/`)) event.respondWith(asset(request));
  else if (SHELL.some((path) => path !== "./" && new URL(path, scope).pathname === url.pathname)) event.respondWith(kept(request));
});

/** The page comes from the network as long as there is one, so that it is never an old one. */
async function page(request) {
  const shell = () => caches.open(NAME).then((cache) => cache.match("./"));
  try {
    const response = await fetch(request);
    return response.status < 500 ? response : ((await shell()) ?? response);
  } catch (error) {
    const kept = await shell();
    if (kept) return kept;
    throw error;
  }
}

/** Files with a hash of their content in their names never change. */
async function asset(request) {
  const cache = await caches.open(NAME);
  return (await cache.match(request.url, { ignoreVary: true })) ?? fetch(request);
}

/** The other files of the page, as the network has them now. */
async function kept(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const found = await caches.open(NAME).then((cache) => cache.match(request.url));
    if (found) return found;
    throw error;
  }
}
