// Who may connect and call: a hub and methods that want a user, a policy, tokens that expire.
import assert from "node:assert/strict";
import { test } from "node:test";
import { collect, each, Line, MATRIX, signal, token, unique } from "./support.mjs";

// statement 18
each("an authorised hub refuses strangers", async (line) => {
  await assert.rejects(line.open("/hub-auth"), /401/);
  await assert.rejects(line.open("/hub-auth", { user: "nonsense" }), /401/);
  await assert.rejects(line.open("/hub-auth", { user: `${await token()}x` }), /401/);
});

each("an authorised hub knows its user", async (line) => {
  const c = await line.open("/hub-auth", { user: await token("?sub=bob") });
  assert.equal(await c.invoke("UserId"), "bob");
});

each("a token in the query of the address is as good", async (line) => {
  const c = await line.open(`/hub-auth?access_token=${await token("?sub=bob")}`);
  assert.equal(await c.invoke("UserId"), "bob");
});

each("a policy refuses who does not meet it", async (line) => {
  const c = await line.open("/hub-auth", { user: await token("?sub=bob&tier=basic") });
  const { items, error } = await collect(c.stream("Ask", "a b"));
  assert.deepEqual(items, []);
  assert.equal(error.message, "Failed to invoke 'Ask' because user is unauthorized");
  assert.equal(await c.invoke("UserId"), "bob");
});

each("a policy admits who meets it", async (line) => {
  const c = await line.open("/hub-auth", { user: await token("?sub=bob&tier=premium") });
  assert.deepEqual(await collect(c.stream("Ask", "to be or not")), { items: ["to", "be", "or", "not"], error: undefined });
});

// statement 115, 164
each("authorised methods of an open hub", async (line) => {
  const [stranger, bob, premium] = await Promise.all([
    line.open(),
    line.open("/hub", { user: await token("?sub=bob") }),
    line.open("/hub", { user: await token("?sub=eve&tier=premium") }),
  ]);
  const refused = (c, method) => assert.rejects(c.invoke(method), { message: `Failed to invoke '${method}' because user is unauthorized` });
  await refused(stranger, "NeedsUser");
  await refused(stranger, "NeedsPremium");
  assert.equal(await bob.invoke("NeedsUser"), "bob");
  await refused(bob, "NeedsPremium");
  assert.equal(await premium.invoke("NeedsUser"), "eve");
  assert.equal(await premium.invoke("NeedsPremium"), "premium");
});

each("a user is known on an open hub", async (line) => {
  const name = unique("Zoë");
  const c = await line.open("/hub", { user: await token(`?sub=${encodeURIComponent(name)}`) });
  assert.equal(await c.invoke("UserId"), name);
});

each("an unreadable token on an open hub makes a stranger", async (line) => {
  const c = await line.open("/hub", { user: "nonsense" });
  assert.equal(await c.invoke("UserId"), null);
});

// statement 186
test("a token that expires ends its connection, which may come back with another", { timeout: 120_000 }, async (t) => {
  await Promise.all(
    MATRIX.map(async (pair) => {
      const line = new Line(t, pair);
      const [lost, found] = [signal(), signal()];
      let seconds = 6; // enough for a busy machine to connect
      const factory = () => token(`?sub=bob&seconds=${seconds}`);
      const c = line.build("/hub-expiring", { accessTokenFactory: factory, reconnect: Array(50).fill(100) });
      c.onreconnecting(() => {
        seconds = 3600;
        lost.resolve();
      });
      c.onreconnected(found.resolve);
      c.onclose((error) => [lost, found].forEach(({ reject }) => reject(new Error(`${pair.transport}/${pair.codec}: closed for good: ${error}`))));
      await c.start();
      const before = c.connectionId;
      assert.equal(await c.invoke("UserId"), "bob");
      await lost.promise;
      await found.promise;
      assert.notEqual(c.connectionId, before);
      assert.equal(await c.invoke("UserId"), "bob");
    }),
  );
});

test("a hub that does not mind expiry keeps the connection", { timeout: 120_000 }, async (t) => {
  const line = new Line(t, { transport: "WebSockets", codec: "json" });
  const c = line.build("/hub", { user: await token("?sub=bob&seconds=6") });
  c.onclose(() => assert.fail("it was closed"));
  await c.start();
  assert.equal(await c.invoke("Slow", 7300), 7300);
  assert.equal(await c.invoke("UserId"), "bob");
  await c.stop().catch(() => {});
});
