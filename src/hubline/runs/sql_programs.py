"""What is done with the runs in a log in SQL: each program is one transaction (runs.md R30, R31)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from hubline.runs.log import About
from hubline.runs.names import list_channel, run_channel
from hubline.sql.programs import Ask, Many, Program, Topics, Woken, marks, stored

TOGETHER = 500
"""Parameters of one `IN (…)`. Ours: every SQLite takes more."""


class Found(NamedTuple):
    """The outcome of a program that only the owner may run: `ok`, `gone`, `fenced` or `other`, and a number."""

    status: str
    number: int


@dataclass(frozen=True, slots=True)
class Append:
    """Entries for one run. With the same `batch` again it changes nothing."""

    run_id: str
    fence: int
    batch: str
    count: int
    text: str
    """The entries in JSON."""
    end: str
    """The state of the `end` among them; empty without one."""
    before: int | None = None
    """The last entry that the owner knows of."""


GONE = Found("gone", 0)
LIVES = "until > {now}"


def published(messages: Iterable[tuple[str, str]]) -> Program[None]:
    """Put messages, each with its channel, into the mail of the servers that hear the channel."""
    messages = list(messages)
    hear: dict[str, list[str]] = {}
    topics = sorted({stored(channel) for channel, _ in messages})
    if topics:
        yield Topics(topics)
    for at in range(0, len(topics), TOGETHER):
        some = topics[at : at + TOGETHER]
        rows = yield Ask(f"SELECT topic, node FROM {{topics}} WHERE topic IN ({marks(some)})", some)
        for topic, node in rows:
            hear.setdefault(topic, []).append(node)
    if hear:
        yield from delivered(
            [(node, channel, body) for channel, body in messages for node in hear.get(stored(channel), ())]
        )


def delivered(mail: Sequence[tuple[str, str, str]]) -> Program[None]:
    """Put messages into the mail of servers: node, channel, body."""
    if mail:
        rows = [(node, json.dumps(channel), body) for node, channel, body in mail]
        yield Many("INSERT INTO {mail} (node, channel, body) VALUES (?, ?, ?)", rows)
        yield Woken({node for node, _, _ in mail})


def create(run_id: str, epoch: str, fence: int, node: str, life: int) -> Program[bool]:
    """Begin a log. False if there is one."""
    yield Ask(
        "INSERT INTO {runs} (id, epoch, fence, node, seq, batch, ended, settled, until) "
        "VALUES (?, ?, ?, ?, 0, '', '', 0, {now} + ?) ON CONFLICT (id) DO NOTHING",
        (run_id, epoch, fence, node, life),
    )
    ((found,),) = yield Ask("SELECT epoch FROM {runs} WHERE id = ?", (run_id,))
    return bool(found == epoch)


def owned(run_id: str, fence: int, more: str = "node") -> Program[tuple[Found, Any]]:
    """Lock a run for its owner, and read `more` of it."""
    rows = yield Ask(f"SELECT fence, {more} FROM {{runs}} WHERE id = ? AND {LIVES}{{lock}}", (run_id,))
    if not rows:
        return GONE, None
    if fence < rows[0][0]:
        return Found("fenced", rows[0][0]), None
    return Found("ok", 0), rows[0][1]


def claim(run_id: str, fence: int, node: str) -> Program[Found]:
    """Become the owner, with a greater fence."""
    rows = yield Ask(f"SELECT fence FROM {{runs}} WHERE id = ? AND {LIVES}{{lock}}", (run_id,))
    if not rows:
        return GONE
    if fence <= rows[0][0]:
        return Found("fenced", rows[0][0])
    yield Ask("UPDATE {runs} SET fence = ?, node = ? WHERE id = ?", (fence, node, run_id))
    return Found("ok", 0)


def append(requests: Sequence[Append]) -> Program[list[Found]]:
    """Add entries to any number of runs. Each gets the number of its last entry.

    `other`, with the last entry there is, if that is not the one that the owner knows of: the database has lost
    confirmed entries, as one does that takes over from another.
    """
    states: dict[str, list[Any]] = {}
    ids = sorted({request.run_id for request in requests})
    for at in range(0, len(ids), TOGETHER):  # rows are locked in one order, so that two servers never wait in a circle
        some = ids[at : at + TOGETHER]
        query = f"SELECT id, fence, seq, batch, ended FROM {{runs}} WHERE id IN ({marks(some)}) AND {LIVES}"
        for row in (yield Ask(query + " ORDER BY id{lock}", some)):
            states[row[0]] = list(row)
    found: list[Found] = []
    entries: list[tuple[str, int, str]] = []
    messages: list[tuple[str, str]] = []
    changed: dict[str, list[Any]] = {}
    for request in requests:
        state = states.get(request.run_id)
        if state is None:
            found.append(GONE)
        elif state[3] == request.batch:
            found.append(Found("ok", state[2]))
        elif request.fence < state[1]:
            found.append(Found("fenced", state[1]))
        elif request.before is not None and request.before != state[2]:
            found.append(Found("other", state[2]))
        else:
            before = state[2]
            state[2], state[3], state[4] = before + request.count, request.batch, request.end or state[4]
            changed[request.run_id] = state
            entries.append((request.run_id, state[2], request.text))
            messages.append((run_channel(request.run_id), f"entries {before} {request.text}"))
            found.append(Found("ok", state[2]))
    if entries:
        rows = [(seq, batch, ended, run_id) for run_id, _, seq, batch, ended in changed.values()]
        yield Many("UPDATE {runs} SET seq = ?, batch = ?, ended = ? WHERE id = ?", rows)
        yield Many("INSERT INTO {entries} (run, last, entries) VALUES (?, ?, ?)", entries)
        yield from published(messages)
    return found


def load(run_id: str, after: int) -> Program[tuple[str, str | None, list[tuple[int, str]]] | None]:
    """The epoch, what is folded, and the batches of entries after an entry, each with the number of its last."""
    rows = yield Ask(f"SELECT epoch, fold FROM {{runs}} WHERE id = ? AND {LIVES}", (run_id,))
    if not rows:
        return None
    batches = yield Ask("SELECT last, entries FROM {entries} WHERE run = ? AND last > ? ORDER BY last", (run_id, after))
    return rows[0][0], rows[0][1], list(batches)


def fold(run_id: str, fence: int, base: int, text: str) -> Program[Found]:
    """Drop entries up to `base`. `text` says what all entries up to some later one amount to."""
    found, _ = yield from owned(run_id, fence)
    if found.status == "ok":
        yield Ask("UPDATE {runs} SET fold = ? WHERE id = ?", (text, run_id))
        yield Ask("DELETE FROM {entries} WHERE run = ? AND last <= ?", (run_id, base))
    return found


def describe(about: About, text: str, fence: int, life: int) -> Program[Found]:
    """Tell what is known of a run, `text` in JSON, to those that follow it, or watch one of its lists."""
    run_id = about["id"]
    found, ended_at = yield from owned(run_id, fence, "ended_at")
    if found.status == "ok":
        ends = about["ended"] and ended_at is None
        yield Ask(
            "UPDATE {runs} SET about = ?, until = {now} + ?" + (", ended_at = {now}" if ends else "") + " WHERE id = ?",
            (text, life, run_id),
        )
        rows = [(stored(list_channel(group)), run_id) for group in about["groups"]]
        yield Many("INSERT INTO {listed} (topic, run) VALUES (?, ?) ON CONFLICT (topic, run) DO NOTHING", rows)
        lists = [(list_channel(group), text) for group in about["groups"]]
        yield from published([(run_channel(run_id), f"about {text}"), *lists])
    return found


def settle(run_id: str, fence: int, keep: int) -> Program[Found]:
    """Nobody needs to take it over any more. It is kept for `keep` ms from its end."""
    found, ended_at = yield from owned(run_id, fence, "ended_at")
    if found.status == "ok" and ended_at is not None:
        yield Ask("UPDATE {runs} SET settled = 1, until = ? WHERE id = ?", (ended_at + keep, run_id))
    return found


ABOUT = "SELECT about, epoch, seq, ended FROM {runs} WHERE "


def about_of(row: Sequence[Any]) -> About | None:
    """What is known of a run, with the position of its last entry."""
    text, epoch, seq, ended = row
    if text is None:
        return None
    verdict = {"state": ended, "ended": True} if ended else {}  # the end comes before its description
    return {**json.loads(text), **verdict, "position": f"{epoch}-{seq}" if seq else None}


def about(run_id: str) -> Program[About | None]:
    """What is known of a run."""
    rows = yield Ask(f"{ABOUT}id = ? AND {LIVES}", (run_id,))
    return about_of(rows[0]) if rows else None


def listed(group: str) -> Program[list[About]]:
    """The runs of a room or a starter, in no order."""
    rows = yield Ask(
        f"{ABOUT}{LIVES} AND id IN (SELECT run FROM {{listed}} WHERE topic = ?)", (stored(list_channel(group)),)
    )
    return [found for row in rows if (found := about_of(row)) is not None]


def owner(run_id: str) -> Program[str | None]:
    """The server that owns a run."""
    rows = yield Ask(f"SELECT node FROM {{runs}} WHERE id = ? AND {LIVES}", (run_id,))
    return rows[0][0] if rows else None


def fence_of(run_id: str) -> Program[int | None]:
    """The fence of the owner of a run."""
    rows = yield Ask(f"SELECT fence FROM {{runs}} WHERE id = ? AND {LIVES}", (run_id,))
    return rows[0][0] if rows else None


def remove(run_ids: Sequence[str]) -> Program[None]:
    """Forget logs."""
    for statement in (
        "DELETE FROM {runs} WHERE id = ?",
        "DELETE FROM {entries} WHERE run = ?",
        "DELETE FROM {listed} WHERE run = ?",
    ):
        yield Many(statement, [(run_id,) for run_id in run_ids])


def renew(node: str, runs: Mapping[str, int], life: int) -> Program[tuple[list[str], list[str]]]:
    """Keep what belongs to the living runs of a server, of which it wants `runs`, by id with their fences.

    Returns those of them that others have taken over, and the rooms in which some run of the server is not active.
    """
    living = f"node = ? AND ended = '' AND {LIVES}"
    # in the order of `append`, and no others: one that is made meanwhile may be locked by who waits for these
    found = yield Ask(f"SELECT id FROM {{runs}} WHERE {living} ORDER BY id{{lock}}", (node,))
    for at in range(0, len(found), TOGETHER):
        some = [run_id for (run_id,) in found[at : at + TOGETHER]]
        yield Ask(f"UPDATE {{runs}} SET until = {{now}} + ? WHERE id IN ({marks(some)})", (life, *some))
    lost = []
    ids = sorted(runs)
    for at in range(0, len(ids), TOGETHER):
        some = ids[at : at + TOGETHER]
        rows = yield Ask(f"SELECT id, fence FROM {{runs}} WHERE id IN ({marks(some)}) AND {LIVES}", some)
        lost += [run_id for run_id, fence in rows if fence > runs[run_id]]
    rooms = yield Ask("SELECT DISTINCT name FROM {places} WHERE node = ? AND standing <> 'active'", (node,))
    return lost, [json.loads(name) for (name,) in rooms]
