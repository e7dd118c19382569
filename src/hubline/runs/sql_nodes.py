"""The servers that share a log in SQL: their leases, their mail, and what has expired."""

import json
from collections.abc import Sequence

from hubline.runs.names import node_channel
from hubline.runs.sql_programs import delivered, remove
from hubline.sql.programs import Ask, Lock, Many, Program, Topics, marks, stored

AT_ONCE = 200
"""Expired runs that one transaction removes. Ours."""


def renew_lease(node: str, lease: int) -> Program[bool]:
    """Set a lease of so many ms. Whether it had lapsed, or there was none."""
    alive = yield Ask("SELECT 1 FROM {nodes} WHERE name = ? AND until > {now}", (node,))
    yield Ask(
        "INSERT INTO {nodes} (name, until) VALUES (?, {now} + ?) "
        "ON CONFLICT (name) DO UPDATE SET until = excluded.until",
        (node, lease),
    )
    return not alive


def extend_lease(node: str, lease: int) -> Program[None]:
    """Renew a lease that has not lapsed."""
    yield Ask("UPDATE {nodes} SET until = {now} + ? WHERE name = ? AND until > {now}", (lease, node))


def give_up(node: str) -> Program[None]:
    """End a lease."""
    yield Ask("UPDATE {nodes} SET until = 0 WHERE name = ?", (node,))


def lives(node: str) -> Program[bool]:
    """Whether a server has its lease."""
    return bool((yield Ask("SELECT 1 FROM {nodes} WHERE name = ? AND until > {now}", (node,))))


def names() -> Program[list[str]]:
    """All servers."""
    return [name for (name,) in (yield Ask("SELECT name FROM {nodes}"))]


def runs_of(node: str) -> Program[list[str]]:
    """The runs of a server that are not settled."""
    rows = yield Ask("SELECT id FROM {runs} WHERE node = ? AND settled = 0 AND until > {now}", (node,))
    return [run_id for (run_id,) in rows]


def adopt(run_id: str, gone: str, node: str) -> Program[int]:
    """Take a run of a server over that has gone. The new fence; 0 if it is not that server's."""
    rows = yield Ask("SELECT fence, node FROM {runs} WHERE id = ? AND until > {now}{lock}", (run_id,))
    if not rows or rows[0][1] not in (gone, node):
        return 0
    fence: int = rows[0][0]
    if rows[0][1] == gone:
        fence += 1
        yield Ask("UPDATE {runs} SET fence = ?, node = ? WHERE id = ?", (fence, node, run_id))
    return fence


def forget(node: str) -> Program[None]:
    """A server has gone, and its runs are taken over."""
    rows = yield Ask("SELECT until > {now} FROM {nodes} WHERE name = ?{lock}", (node,))
    if rows and not rows[0][0]:
        for statement in (
            "DELETE FROM {nodes} WHERE name = ?",
            "DELETE FROM {topics} WHERE node = ?",
            "DELETE FROM {mail} WHERE node = ?",
        ):
            yield Ask(statement, (node,))


def subscribe(node: str, channels: Sequence[str]) -> Program[None]:
    """From now on the server gets what is published there."""
    yield Topics([stored(channel) for channel in channels], subscribes=True)
    yield Many(
        "INSERT INTO {topics} (topic, node, channel) VALUES (?, ?, ?) ON CONFLICT (topic, node) DO NOTHING",
        [(stored(channel), node, json.dumps(channel)) for channel in channels],
    )


def unsubscribe(node: str, channels: Sequence[str]) -> Program[None]:
    """The server gets nothing more from there."""
    yield Many("DELETE FROM {topics} WHERE topic = ? AND node = ?", [(stored(channel), node) for channel in channels])


def tell(node: str, body: str) -> Program[int]:
    """Send a message to a server. 0 if it has no lease."""
    if not (yield from lives(node)):
        return 0
    yield from delivered([(node, node_channel(node), body)])
    return 1


def take_mail(node: str) -> Program[list[tuple[int, str, str]]]:
    """The messages for a server, which are removed: number, channel, body."""
    rows = yield Ask("DELETE FROM {mail} WHERE node = ? RETURNING id, channel, body", (node,))
    return [(number, json.loads(channel), body) for number, channel, body in sorted(rows)]


def read_mail(node: str, after: int) -> Program[list[tuple[int, str, str]]]:
    """The messages for a server after this number, which stay."""
    rows = yield Ask("SELECT id, channel, body FROM {mail} WHERE node = ? AND id > ? ORDER BY id", (node, after))
    return [(number, json.loads(channel), body) for number, channel, body in rows]


def clean(node: str, read: int) -> Program[None]:
    """Remove what has expired, and mail of this server up to the number `read`."""
    yield Lock("cleaning")
    yield Ask("DELETE FROM {mail} WHERE node = ? AND id <= ?", (node, read))
    rows = yield Ask(f"SELECT id FROM {{runs}} WHERE until <= {{now}} LIMIT {AT_ONCE}")
    if rows:
        ids = [run_id for (run_id,) in rows]
        yield Ask(f"DELETE FROM {{places}} WHERE run IN ({marks(ids)}) AND until <= {{now}}", ids)
        yield from remove(ids)
    living = "(SELECT 1 FROM {runs} r WHERE r.id = run AND r.ended_at IS NULL AND r.until > {now})"
    for table in ("keys", "places", "active"):
        yield Ask(f"DELETE FROM {{{table}}} WHERE until <= {{now}} AND NOT EXISTS {living}")
