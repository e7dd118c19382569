"""What is done with the messages of rooms in SQL: each program is one transaction.

A transaction locks the rooms that are there in the order of their names, and a server before rooms, so that two never
wait in a circle.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hubline.rooms.memory import KEYS_FOR
from hubline.rooms.shared_store import Known
from hubline.rooms.store import Appended, Page, Presence, Snapshot, presence_of
from hubline.runs.sql_programs import TOGETHER, published
from hubline.sql.programs import Ask, Lock, Many, Program, marks, stored

AT_ONCE = 200
"""Rooms, and five times as many messages, that one transaction of `clean` removes. Ours."""

LONGER = "until = CASE WHEN until < {now} + ? THEN {now} + ? ELSE until END"
"""So many ms from now, and no less than before."""


SENT = (
    "INSERT INTO {sent} (name, room, epoch, seq, until) VALUES (?, ?, ?, ?, {now} + ?) ON CONFLICT (name) "
    "DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq, until = excluded.until"
)


class Room(NamedTuple):
    """The row of a room."""

    epoch: str
    seq: int
    version: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is to be added. Times are in ms."""

    room: str
    text: str
    key: str
    history: int
    """How many messages are kept, and for how long."""
    keep: int
    known: tuple[str, int] | None
    """The newest position that the caller has heard of."""
    epoch: str
    """For a new epoch."""


def locked(room: str, epoch: str, life: int) -> Program[Room]:
    """A room, which is made if it is not there. No other transaction changes it meanwhile."""
    name = stored(room)
    query = "SELECT epoch, seq, version FROM {rooms} WHERE name = ?{lock}"
    rows = yield Ask(query, (name,))
    if not rows:
        yield Ask(
            "INSERT INTO {rooms} (name, label, epoch, seq, version, until) VALUES (?, ?, ?, 0, 0, {now} + ?) "
            "ON CONFLICT (name) DO NOTHING",
            (name, json.dumps(room), epoch, life),
        )
        rows = yield Ask(query, (name,))
    return Room(*rows[0])


def append(requests: Sequence[Message]) -> Program[list[Appended]]:
    """Add messages to any number of rooms, to each in their order."""
    rooms = yield from _rooms_of(requests)
    seen = yield from _seen([_key_of(each) for each in requests])
    found: list[Appended] = []
    messages: list[tuple[str, int, str]] = []
    sent: list[tuple[str, str, str, int, int]] = []
    news: list[tuple[str, str]] = []
    changed: dict[str, Message] = {}
    for message in requests:
        name, key = stored(message.room), _key_of(message)
        if key in seen:
            found.append(Appended(*seen[key], repeated=True))
            continue
        epoch, seq = rooms[name]
        if message.known is not None and message.known[0] == epoch and message.known[1] > seq:
            epoch = message.epoch  # the database has lost what it had confirmed
        rooms[name] = seen[key] = epoch, seq + 1
        changed[name] = message
        messages.append((name, seq + 1, message.text))
        sent.append((key, name, epoch, seq + 1, round(KEYS_FOR * 1000)))
        news.append((message.room, f"m {epoch} {seq + 1} {message.text}"))
        found.append(Appended(epoch, seq + 1))
    if changed:
        yield Many("INSERT INTO {messages} (room, seq, body, at) VALUES (?, ?, ?, {now})", messages)
        yield Many(SENT, sent)
        rows = [(*rooms[name], each.keep, each.keep, name) for name, each in changed.items()]
        yield Many(f"UPDATE {{rooms}} SET epoch = ?, seq = ?, {LONGER} WHERE name = ?", rows)
        old = [(name, rooms[name][1] - each.history) for name, each in changed.items()]
        yield Many("DELETE FROM {messages} WHERE room = ? AND seq <= ?", old)
        yield from published(news)
    return found


def _rooms_of(requests: Sequence[Message]) -> Program[dict[str, tuple[str, int]]]:
    """Lock rooms, those that are there first; their epochs and the numbers of their last messages, by stored names."""
    wanted = {stored(each.room): each for each in requests}
    names, found = sorted(wanted), dict[str, tuple[str, int]]()
    for at in range(0, len(names), TOGETHER):
        some = names[at : at + TOGETHER]
        query = f"SELECT name, epoch, seq FROM {{rooms}} WHERE name IN ({marks(some)}) ORDER BY name{{lock}}"
        found |= {name: (epoch, seq) for name, epoch, seq in (yield Ask(query, some))}
    for name in names:
        if name not in found:
            each = wanted[name]
            found[name] = (yield from locked(each.room, each.epoch, each.keep))[:2]
    return found


def _seen(keys: Sequence[str]) -> Program[dict[str, tuple[str, int]]]:
    """Where the messages of keys are that are known."""
    found: dict[str, tuple[str, int]] = {}
    for at in range(0, len(keys), TOGETHER):
        some = keys[at : at + TOGETHER]
        query = f"SELECT name, epoch, seq FROM {{sent}} WHERE name IN ({marks(some)}) AND until > {{now}}"
        found |= {name: (epoch, seq) for name, epoch, seq in (yield Ask(query, some))}
    return found


def _key_of(message: Message) -> str:
    return stored(json.dumps([message.room, message.key]))


def load(
    room: str, *, after: tuple[str, int], before: int | None, limit: int, keep: int, version: int | None, present: bool
) -> Program[Snapshot | None]:
    """A room at one moment: messages between two positions; the members with `present`, unless `version` is theirs.

    `None` if there is no such room. Changes nothing.
    """
    name = stored(room)
    rows = yield Ask("SELECT epoch, seq, version FROM {rooms} WHERE name = ?", (name,))
    if not rows:
        return None
    epoch, end, now_version = rows[0]
    kept = "FROM {messages} WHERE room = ? AND at >= {now} - ?"
    start = after[1] if after[0] == epoch and after[1] <= end else 0
    oldest = yield Ask(f"SELECT seq {kept} ORDER BY seq LIMIT 1", (name, keep))
    messages: list[Any] = []
    if limit and start < end:
        query = f"SELECT seq, body {kept} AND seq > ? AND seq < ? ORDER BY seq DESC LIMIT ?"
        messages = yield Ask(query, (name, keep, start, end + 1 if before is None else before, limit))
    page = Page(epoch, end, oldest[0][0] if oldest else end + 1, [(seq, body) for seq, body in reversed(messages)])
    members = (yield from members_of(name)) if present and version != now_version else None
    return Snapshot(page, now_version, members)


def members_of(name: str) -> Program[dict[str, Presence]]:
    """The members of a room, whose name is the stored one."""
    rows = yield Ask("SELECT name, label, info, state FROM {members} WHERE room = ?", (name,))
    devices: dict[str, list[Any]] = {}
    query = "SELECT member, info, node FROM {devices} WHERE room = ? ORDER BY number"
    for member, info, node in (yield Ask(query, (name,))) if rows else ():
        devices.setdefault(member, []).append({**json.loads(info), "node": node})
    return {
        json.loads(label): presence_of({**json.loads(info), "state": state, "devices": devices.get(member)})
        for member, label, info, state in rows
    }


def looked_at(room: str, known: Known, epoch: str, life: int) -> Program[None]:
    """Make a room that is not there, keep it for `life` ms, and begin an epoch if less is there than was known."""
    found = yield from locked(room, epoch, life)
    lost = known.epoch == found.epoch and (known.seq > found.seq or known.version > found.version)
    values = (epoch if lost else found.epoch, life, life, stored(room))
    yield Ask(f"UPDATE {{rooms}} SET epoch = ?, {LONGER} WHERE name = ?", values)


def keep_watched(node: str, life: int) -> Program[None]:
    """The rooms that a server watches stay for `life` ms."""
    mine = "name IN (SELECT topic FROM {topics} WHERE node = ?)"
    due = f"{mine} AND until < {{now}} + ?"
    # in the order of `append`, and no others: one that is due by now may be locked by an append that waits for these
    found = yield Ask(f"SELECT name FROM {{rooms}} WHERE {due} ORDER BY name{{lock}}", (node, life // 2))
    for at in range(0, len(found), TOGETHER):
        some = [name for (name,) in found[at : at + TOGETHER]]
        yield Ask(f"UPDATE {{rooms}} SET until = {{now}} + ? WHERE name IN ({marks(some)})", (life, *some))


def clean(keep: int, node: str, read: int) -> Program[None]:
    """Remove what has expired, with messages older than `keep` ms, and mail of this server up to the number `read`."""
    yield Lock("cleaning")
    yield Ask("DELETE FROM {mail} WHERE node = ? AND id <= ?", (node, read))
    yield Ask("DELETE FROM {sent} WHERE until <= {now}")
    old = f"SELECT room, seq FROM {{messages}} WHERE at < {{now}} - ? ORDER BY at LIMIT {5 * AT_ONCE}"
    rows = yield Ask(old, (keep,))
    yield Many("DELETE FROM {messages} WHERE room = ? AND seq = ?", rows)
    empty = "NOT EXISTS (SELECT 1 FROM {members} m WHERE m.room = {rooms}.name)"
    query = f"SELECT name FROM {{rooms}} WHERE until <= {{now}} AND {empty} ORDER BY name LIMIT {AT_ONCE}{{lock}}"
    names = [name for (name,) in (yield Ask(query))]
    if names:
        for table in ("messages", "sent"):
            yield Ask(f"DELETE FROM {{{table}}} WHERE room IN ({marks(names)})", names)
        yield Ask(f"DELETE FROM {{rooms}} WHERE name IN ({marks(names)})", names)
