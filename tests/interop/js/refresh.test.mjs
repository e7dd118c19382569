// A page that gets a newer token for the connection it has. The client cannot by itself: an HttpClient keeps the token of the connection.
import assert from "node:assert/strict";
import { DefaultHttpClient, HttpClient, NullLogger } from "@microsoft/signalr";
import { BASE, each, token } from "./support.mjs";

class Noting extends HttpClient {
  inner = new DefaultHttpClient(NullLogger.instance);

  async send(request) {
    const response = await this.inner.send(request);
    if (request.url.includes("/negotiate")) this.negotiated = JSON.parse(response.content);
    return response;
  }

  getCookieString(url) {
    return this.inner.getCookieString(url);
  }
}

const refresh = (path, httpClient, user) =>
  fetch(`${BASE}${path}/refresh?id=${encodeURIComponent(httpClient.negotiated.connectionToken)}`, {
    method: "POST",
    headers: { authorization: `Bearer ${user}` },
  });

/** The reference server is version 10 and has no such thing. */
const canRefresh = async () => (await fetch(`${BASE}/hub-refresh/negotiate`, { method: "POST" })).status !== 404;

each("a newer token counts from then on, and the connection stays", async (line) => {
  if (!(await canRefresh())) return;
  const httpClient = new Noting();
  const c = await line.open("/hub-refresh", { user: await token("?sub=bob&tier=basic"), httpClient });
  const { tokenLifetimeSeconds } = httpClient.negotiated;
  assert.ok(tokenLifetimeSeconds > 3590 && tokenLifetimeSeconds <= 3600);
  await assert.rejects(c.invoke("NeedsPremium"));
  const id = c.connectionId;
  const response = await refresh("/hub-refresh", httpClient, await token("?sub=bob&tier=premium&seconds=7200"));
  assert.equal(response.status, 200);
  assert.ok((await response.json()).tokenLifetimeSeconds > 7190);
  assert.equal(await c.invoke("NeedsPremium"), "premium");
  assert.equal(c.connectionId, id);
});

each("a token that is no token refreshes nothing", async (line) => {
  if (!(await canRefresh())) return;
  const httpClient = new Noting();
  const c = await line.open("/hub-refresh", { user: await token("?sub=bob"), httpClient });
  const response = await refresh("/hub-refresh", httpClient, "nonsense");
  assert.deepEqual([response.status, await response.json()], [401, { error: "invalid_token" }]);
  assert.equal(await c.invoke("UserId"), "bob");
});
