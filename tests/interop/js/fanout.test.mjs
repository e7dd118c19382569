// Who receives a message, and who must not: every absence is proved by a fence that arrives afterwards.
import assert from "node:assert/strict";
import { test } from "node:test";
import { admitted, each, fence, Line, token, unique } from "./support.mjs";

/** Opens `count` connections, has the first call `method`, and returns the labels under which each received the message. */
async function labelsAfter(line, count, method, args, prepare = async () => {}, optionsOf = () => ({})) {
  const all = await Promise.all(Array.from({ length: count }, (_, i) => line.openWithInboxes(1, "/hub", optionsOf(i)).then(([one]) => one)));
  const ids = all.map(([connection]) => connection.connectionId);
  await prepare(all, ids);
  const text = unique();
  await all[0][0].invoke(method, ...args(ids), text);
  await fence(all[0][0], all);
  return all.map(([, inbox]) => inbox.labels(text));
}

each("to all", async (line) => {
  assert.deepEqual(await labelsAfter(line, 3, "SendMessage", () => ["ada"]), [["ada"], ["ada"], ["ada"]]);
});

each("to the caller only", async (line) => {
  assert.deepEqual(await labelsAfter(line, 2, "ToCaller", () => []), [["caller"], []]);
});

each("to the others, not the caller", async (line) => {
  assert.deepEqual(await labelsAfter(line, 3, "ToOthers", () => []), [[], ["others"], ["others"]]);
});

each("to one connection", async (line) => {
  assert.deepEqual(await labelsAfter(line, 3, "ToClient", (ids) => [ids[1]]), [[], ["client"], []]);
});

each("to several connections", async (line) => {
  assert.deepEqual(await labelsAfter(line, 3, "ToClients", (ids) => [[ids[0], ids[2]]]), [["clients"], [], ["clients"]]);
});

each("to a connection named twice, once", async (line) => {
  assert.deepEqual(await labelsAfter(line, 2, "ToClients", (ids) => [[ids[1], ids[1]]]), [[], ["clients"]]);
});

each("to all except some", async (line) => {
  assert.deepEqual(await labelsAfter(line, 3, "ToAllExcept", (ids) => [[ids[0], ids[1]]]), [[], [], ["allexcept"]]);
});

each("to nobody who is there: no error", async (line) => {
  assert.deepEqual(await labelsAfter(line, 2, "ToClient", () => ["nobody"]), [[], []]);
  assert.deepEqual(await labelsAfter(line, 2, "ToGroup", () => [unique("empty")]), [[], []]);
  assert.deepEqual(await labelsAfter(line, 2, "ToUser", () => [unique("nobody")]), [[], []]);
  assert.deepEqual(await labelsAfter(line, 2, "ToClients", () => [[]]), [[], []]);
});

each("to a group", async (line) => {
  const group = unique("g");
  const join = async (all) => Promise.all([all[1], all[2]].map(([c]) => c.invoke("Join", group)));
  assert.deepEqual(await labelsAfter(line, 4, "ToGroup", () => [group], join), [[], [group], [group], []]);
});

each("to the others in a group", async (line) => {
  const group = unique("g");
  const join = async (all) => Promise.all([all[0], all[1]].map(([c]) => c.invoke("Join", group)));
  assert.deepEqual(await labelsAfter(line, 3, "ToOthersInGroup", () => [group], join), [[], [group], []]);
});

each("to a group except some", async (line) => {
  const group = unique("g");
  const join = async (all) => Promise.all(all.map(([c]) => c.invoke("Join", group)));
  assert.deepEqual(await labelsAfter(line, 3, "ToGroupExcept", (ids) => [group, [ids[1]]], join), [[group], [], [group]]);
});

// statement 151
each("to two groups: twice for a member of both", async (line) => {
  const [one, two] = [unique("g"), unique("g")];
  const join = async (all) => {
    await Promise.all([all[1][0].invoke("Join", one), all[2][0].invoke("Join", two)]);
    await all[1][0].invoke("Join", two);
  };
  assert.deepEqual(await labelsAfter(line, 4, "ToGroups", () => [[one, two]], join), [[], ["groups", "groups"], ["groups"], []]);
});

each("group names keep their case", async (line) => {
  const group = unique("g");
  const join = async (all) => all[1][0].invoke("Join", group.toUpperCase());
  assert.deepEqual(await labelsAfter(line, 2, "ToGroup", () => [group], join), [[], []]);
});

each("joining twice and leaving where one is no member do no harm", async (line) => {
  const [group, other] = [unique("g"), unique("g")];
  const join = async (all) => {
    for (const name of [group, group]) await all[1][0].invoke("Join", name);
    await all[1][0].invoke("Leave", other);
  };
  assert.deepEqual(await labelsAfter(line, 2, "ToGroup", () => [group], join), [[], [group]]);
});

each("who left a group hears no more of it", async (line) => {
  const group = unique("g");
  const join = async (all) => {
    await Promise.all(all.map(([c]) => c.invoke("Join", group)));
    await all[1][0].invoke("Leave", group);
  };
  assert.deepEqual(await labelsAfter(line, 2, "ToGroup", () => [group], join), [[group], []]);
});

each("someone else puts a connection into a group", async (line) => {
  const group = unique("g");
  const join = async (all, ids) => all[0][0].invoke("JoinOther", ids[1], group);
  assert.deepEqual(await labelsAfter(line, 2, "ToGroup", () => [group], join), [[], [group]]);
});

// With a backplane it takes the server 30 seconds to find out that nobody has the connection, and is an error.
if (!process.env.HUBLINE_BACKPLANE) {
  each("someone who is not there is put into a group: no error", async (line) => {
    const nobody = async (all) => all[0][0].invoke("JoinOther", "nobody", unique("g"));
    assert.deepEqual(await labelsAfter(line, 1, "ToGroup", () => [unique("empty")], nobody), [[]]);
  });
}

// statement 153
each("to a user: all connections of the user, nobody else", async (line) => {
  const [carol, dave] = [unique("Carol"), unique("dave")];
  const tokens = [undefined, await token(`?sub=${carol}`), await token(`?sub=${carol}`), await token(`?sub=${dave}`), await token(`?sub=${carol.toLowerCase()}`)];
  const users = (i) => (tokens[i] ? { user: tokens[i] } : {});
  assert.deepEqual(await labelsAfter(line, 5, "ToUser", () => [carol], undefined, users), [[], ["user"], ["user"], [], []]);
});

each("to several users", async (line) => {
  const [carol, dave] = [unique("carol"), unique("dave")];
  const tokens = [undefined, await token(`?sub=${carol}`), await token(`?sub=${dave}`), await token("?sub=eve")];
  const users = (i) => (tokens[i] ? { user: tokens[i] } : {});
  assert.deepEqual(await labelsAfter(line, 4, "ToUsers", () => [[carol, dave]], undefined, users), [[], ["users"], ["users"], []]);
});

each("a group forgets who disconnected", async (line) => {
  const group = unique("g");
  const [[stays, inbox], [leaves]] = await line.openWithInboxes(2);
  await Promise.all([stays.invoke("Join", group), leaves.invoke("Join", group)]);
  const gone = leaves.connectionId;
  await leaves.stop();
  const text = unique();
  await stays.invoke("ToGroup", group, text);
  await stays.invoke("ToClient", gone, text);
  await fence(stays, [[stays, inbox]]);
  assert.deepEqual(inbox.labels(text), [group]);
});

each("a broadcast arrives whole and in order", async (line) => {
  const [[c, inbox], [other, otherInbox]] = await line.openWithInboxes(2);
  const before = inbox.messages.length;
  await c.invoke("Broadcast", 100, 50);
  await fence(c, [[c, inbox], [other, otherInbox]]);
  const mine = inbox.messages.slice(before).filter(([sender, text]) => sender === "alice" && text === "x".repeat(50));
  assert.ok(mine.length >= 100);
  assert.ok(otherInbox.messages.filter(([, text]) => text === "x".repeat(50)).length >= 100);
});

// statement 158
each("a client answers what another asked", async (line) => {
  const [asker, asked] = [await line.open(), line.build()];
  asked.on("Double", async (value) => value * 2);
  await admitted(asked);
  const answers = await Promise.all([21, 0, -4].map((value) => asker.invoke("AskClient", asked.connectionId, value)));
  assert.deepEqual(answers, [42, 0, -8]);
  assert.equal(await asker.invoke("Add", 1, 2), 3);
});

each("a client asks itself, within one call", async (line) => {
  const c = line.build();
  c.on("Double", (value) => value * 2);
  await c.start();
  assert.equal(await c.invoke("AskClient", c.connectionId, 21), 42);
  assert.equal(await c.invoke("AskClient", c.connectionId, 4), 8);
});

each("an asked client that fails", async (line) => {
  const [asker, asked] = [await line.open(), line.build()];
  asked.on("Double", () => {
    throw new Error("will not");
  });
  await admitted(asked);
  await assert.rejects(asker.invoke("AskClient", asked.connectionId, 21), { message: "An unexpected error occurred invoking 'AskClient' on the server. HubException: Error: will not" });
  assert.equal(await asked.invoke("Add", 1, 2), 3);
});

// statement 206
each("an asked client without a handler", async (line) => {
  const [asker, asked] = [await line.open(), await line.openAdmitted()];
  await assert.rejects(asker.invoke("AskClient", asked.connectionId, 21), { message: "An unexpected error occurred invoking 'AskClient' on the server. HubException: Client didn't provide a result." });
});

each("an asked client that answers something else", async (line) => {
  const [asker, asked] = [await line.open(), line.build()];
  asked.on("Double", () => "a word");
  await admitted(asked);
  await assert.rejects(asker.invoke("AskClient", asked.connectionId, 21), /^Error: An unexpected error occurred invoking 'AskClient' on the server\./);
  assert.equal(await asked.invoke("Add", 1, 2), 3);
});

each("asking a client that is not there", async (line) => {
  const asker = await line.open();
  await assert.rejects(asker.invoke("AskClient", "nobody", 21), { message: "An unexpected error occurred invoking 'AskClient' on the server." });
});

each("an asked client that leaves", async (line) => {
  const [asker, asked] = [await line.open(), line.build()];
  asked.on("Double", () => {
    asked.stop();
    return new Promise(() => {});
  });
  await admitted(asked);
  await assert.rejects(asker.invoke("AskClient", asked.connectionId, 21), /^Error: An unexpected error occurred invoking 'AskClient' on the server\./);
  assert.equal(await asker.invoke("Add", 1, 2), 3);
});

// statement 154
test("clients of every transport and codec hear each other", { timeout: 120_000 }, async (t) => {
  const pairs = [["WebSockets", "json"], ["WebSockets", "messagepack"], ["ServerSentEvents", "json"], ["LongPolling", "json"], ["LongPolling", "messagepack"]];
  const lines = pairs.map(([transport, codec]) => new Line(t, { transport, codec }));
  const all = await Promise.all(lines.map((line) => line.openWithInboxes(1).then(([one]) => one)));
  const group = unique("g");
  await Promise.all(all.map(([c]) => c.invoke("Join", group)));
  for (const [c] of all) {
    const text = unique("ü 🎉");
    await c.invoke("ToGroup", group, text);
    await Promise.all(all.map(([, inbox]) => inbox.arrival(text)));
    assert.deepEqual(all.map(([, inbox]) => inbox.labels(text)), all.map(() => [group]));
  }
  for (const [from, [asker]] of all.entries()) {
    const [asked] = all[(from + 1) % all.length];
    asked.on("Double", (value) => value * 2);
    assert.equal(await asker.invoke("AskClient", asked.connectionId, from), from * 2);
    asked.off("Double");
  }
});
