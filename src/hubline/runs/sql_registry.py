"""Keys of requests and rooms in SQL: each change is one transaction (runs.md R33).

What belongs to a living run stays for as long as the run, which its owner renews with its lease.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hubline import HubError
from hubline.runs.info import OnBusy
from hubline.runs.log import About
from hubline.runs.names import node_channel
from hubline.runs.policies import BUSY, full
from hubline.runs.registry import RoomState, Standing, TakenKey
from hubline.runs.sql_database import AtHand
from hubline.runs.sql_programs import delivered
from hubline.sql.programs import Ask, Lock, Many, Program, stored

UNCONFIRMED = 2
"""Leases for which a key, or a place in a room, is kept for a run that is about to be made. Ours."""

COUNTED = 6
"""Leases for which a run counts among those of its starter without being renewed. Ours: as in Redis."""

SURPLUS = 1_000
"""Keys that are removed at once. Ours."""

VALID = "(until > {now} OR EXISTS (SELECT 1 FROM {runs} r WHERE r.id = run AND r.ended_at IS NULL AND r.until > {now}))"
"""Of a key or a place: it has not expired, or its run lives."""

PRESENT = f"({VALID} AND NOT EXISTS (SELECT 1 FROM {{runs}} r WHERE r.id = run AND r.ended <> ''))"
"""Of a place: its run has not ended. The end of a run is in its log before the run leaves its room."""

KEY = (
    "INSERT INTO {keys} (account, name, run, request, made, until) VALUES (?, ?, ?, ?, ?, {now} + ?) "
    "ON CONFLICT (account, name) DO UPDATE "
    "SET run = excluded.run, request = excluded.request, made = excluded.made, until = excluded.until"
)


def take_key(account: str, key: str, run_id: str, request: str, life: int) -> Program[TakenKey]:
    """Take a key, or find the run that has it."""
    names = stored(account), stored(key)
    yield Lock("key " + " ".join(names))
    found = yield Ask(f"SELECT run, request, made FROM {{keys}} WHERE account = ? AND name = ? AND {VALID}", names)
    if found:
        return TakenKey(found[0][0], found[0][1], bool(found[0][2]))
    yield Ask(KEY, (*names, run_id, request, 0, life))
    return TakenKey(run_id, request, False)


def confirm_key(account: str, key: str, run_id: str, request: str, life: int) -> Program[bool]:
    """The run exists. False if another run has the key."""
    names = stored(account), stored(key)
    yield Lock("key " + " ".join(names))
    found = yield Ask(f"SELECT run FROM {{keys}} WHERE account = ? AND name = ? AND {VALID}", names)
    if found and found[0][0] != run_id:
        return False
    yield Ask(KEY, (*names, run_id, request, 1, life))
    return True


def free_key(account: str, key: str, run_id: str) -> Program[None]:
    """The run was not made."""
    names = stored(account), stored(key)
    yield Ask("DELETE FROM {keys} WHERE account = ? AND name = ? AND run = ?", (*names, run_id))


def hold_key(account: str, key: str, run_id: str, life: int) -> Program[None]:
    """Keep the key of an ended run for so many ms."""
    names = stored(account), stored(key)
    yield Ask("UPDATE {keys} SET until = {now} + ? WHERE account = ? AND name = ? AND run = ?", (life, *names, run_id))


COUNTS = (
    "NOT EXISTS (SELECT 1 FROM {runs} r WHERE r.id = run AND r.ended <> '') "
    "AND (until > {now} OR EXISTS (SELECT 1 FROM {runs} r WHERE r.id = run AND r.until > {now} + ?))"
)
"""Of a run of a starter: it has not ended, and was made or renewed lately. Takes the rest of its life then, in ms."""


def admit(account: str, run_id: str, most: int, counted: int, rest: int) -> Program[bool]:
    """Count a run among those of its starter for `counted` ms, and while it is renewed; False if there are `most`."""
    name = stored(account)
    yield Lock("starter " + name)
    rows = yield Ask(f"SELECT run FROM {{active}} WHERE account = ? AND {COUNTS}", (name, rest))
    runs = {run for (run,) in rows}
    if run_id in runs:
        return True
    if len(runs) >= most:
        return False
    yield Ask(
        "INSERT INTO {active} (account, run, until) VALUES (?, ?, {now} + ?) "
        "ON CONFLICT (account, run) DO UPDATE SET until = excluded.until",
        (name, run_id, counted),
    )
    return True


def dismiss(account: str, run_id: str) -> Program[None]:
    """A run counts no more."""
    yield Ask("DELETE FROM {active} WHERE account = ? AND run = ?", (stored(account), run_id))


def bound_keys(most: int) -> Program[None]:
    """Keep the newest keys of ended runs, `most` of them; some of the others go."""
    rows = yield Ask(
        "SELECT account, name FROM {keys} WHERE NOT EXISTS "
        "(SELECT 1 FROM {runs} r WHERE r.id = run AND r.ended_at IS NULL AND r.until > {now}) "
        f"ORDER BY until DESC LIMIT {SURPLUS} OFFSET ?",
        (most,),
    )
    if rows:
        yield Many("DELETE FROM {keys} WHERE account = ? AND name = ?", rows)


@dataclass(slots=True)
class Place:
    """A run in a room."""

    run_id: str
    standing: Standing
    node: str
    place: int = 0
    life: int | None = None
    """For how many ms it is kept from now; `None`: as before."""


Refused = str | None
Change = Callable[[list[Place]], Refused]
"""Changes the places of a room, or says why not."""


def change_room(node: str, room: str, change: Change) -> Program[RoomState | str]:
    """Change a room. If no run is active, the first waiting one becomes active. Servers that it may affect are told."""
    name = stored(room)
    yield Lock("room " + name)
    rows = yield Ask(
        f"SELECT run, standing, node, place, {PRESENT} FROM {{places}} WHERE room = ? ORDER BY place", (name,)
    )
    places = [Place(*row[:4]) for row in rows if row[4]]
    before = {each.run_id: (each.standing, each.node, each.place) for each in places}
    gone = {row[0] for row in rows if not row[4]}
    if (refused := change(places)) is not None:
        return refused
    first = _let_the_first_begin(places)
    last = -1
    for each in places:
        last = each.place = max(each.place, last + 1)
    kept = {each.run_id for each in places}
    gone |= before.keys() - kept
    altered = [each for each in places if before.get(each.run_id, ("",))[0] != each.standing]
    yield from _write(name, room, places, before, gone)
    if gone or altered:
        affected = {each.node for each in places if each.standing != "active" or each is first}
        yield from delivered([(each, node_channel(each), json.dumps({"room": room})) for each in sorted(affected)])
    return [(each.run_id, each.standing) for each in places]


def _let_the_first_begin(places: list[Place]) -> Place | None:
    if any(each.standing in ("active", "stopping") for each in places):
        return None
    first = next((each for each in places if each.standing == "waiting"), None)
    if first is not None:
        first.standing = "active"
    return first


def _write(name: str, room: str, places: list[Place], before: dict[str, Any], gone: set[str]) -> Program[None]:
    """Write what has changed."""
    if gone:
        yield Many("DELETE FROM {places} WHERE room = ? AND run = ?", [(name, run_id) for run_id in sorted(gone)])
    new = [each for each in places if each.run_id not in before]
    if new:
        yield Many(
            "INSERT INTO {places} (room, run, name, place, standing, node, until) VALUES (?, ?, ?, ?, ?, ?, {now} + ?)",
            [
                (name, each.run_id, json.dumps(room), each.place, each.standing, each.node, each.life or 0)
                for each in new
            ],
        )
    old = [each for each in places if each.run_id in before]
    moved = [each for each in old if before[each.run_id] != (each.standing, each.node, each.place)]
    if moved:
        yield Many(
            "UPDATE {places} SET standing = ?, node = ?, place = ? WHERE room = ? AND run = ?",
            [(each.standing, each.node, each.place, name, each.run_id) for each in moved],
        )
    renewed = [each for each in old if each.life is not None]
    if renewed:
        yield Many(
            "UPDATE {places} SET until = {now} + ? WHERE room = ? AND run = ?",
            [(each.life, name, each.run_id) for each in renewed],
        )


def entering(node: str, run_id: str, policy: OnBusy, most: int, life: int) -> Change:
    """A run comes into a room."""

    def change(places: list[Place]) -> Refused:
        if any(each.run_id == run_id for each in places):
            return None
        busy = any(each.standing in ("active", "stopping") for each in places)
        waiting = [each for each in places if each.standing == "waiting"]
        entering = Place(run_id, "active", node, life=life)
        if policy != "concurrent" and (busy or waiting):
            if policy == "reject":
                return BUSY
            if policy == "queue" and len(waiting) >= most:
                return full(most)
            entering.standing = "waiting"
            for each in places:
                if each.standing == "waiting" and policy != "queue":
                    each.standing = "given up"
                if each.standing == "active" and policy == "interrupt":
                    each.standing = "stopping"
        places.append(entering)
        return None

    return change


def coming_back(node: str, run_id: str, life: int) -> Change:
    """A run that came before all that wait."""

    def change(places: list[Place]) -> Refused:
        if any(each.run_id == run_id for each in places):
            return None
        busy = any(each.standing in ("active", "stopping") for each in places)
        at = next((at for at, each in enumerate(places) if each.standing == "waiting"), len(places))
        place = places[at].place if at < len(places) else 0
        places.insert(at, Place(run_id, "waiting" if busy else "active", node, place, life))
        return None

    return change


def holding(node: str, run_id: str, life: int) -> Change:
    """This server has the run now."""

    def change(places: list[Place]) -> Refused:
        for each in places:
            if each.run_id == run_id:
                each.node, each.life = node, life
        return None

    return change


def leaving(node: str, run_id: str) -> Change:
    """A run of this server leaves."""

    def change(places: list[Place]) -> Refused:
        places[:] = [each for each in places if each.run_id != run_id or each.node != node]
        return None

    return change


def _nothing(places: list[Place]) -> Refused:
    return None


class SqlRegistry:
    """A `RunRegistry`. `at_hand` has the database and the name of this server."""

    def __init__(self, at_hand: AtHand, *, lease: float, life: int) -> None:
        self._at_hand, self._unconfirmed, self._life = at_hand, round(lease * UNCONFIRMED * 1000), life
        self._counted = round(lease * COUNTED * 1000)

    async def take_key(self, account: str, key: str, run_id: str, request: str) -> TakenKey:
        """Take a key, or find the run that has it. Raises BackplaneError."""
        database, _ = await self._at_hand()
        return await database.run(take_key(account, key, run_id, request, self._unconfirmed))

    async def confirm_key(self, account: str, key: str, run_id: str, request: str) -> bool:
        """The run exists. Raises BackplaneError."""
        database, _ = await self._at_hand()
        return await database.run(confirm_key(account, key, run_id, request, self._life))

    async def free_key(self, account: str, key: str, run_id: str) -> None:
        """The run was not made. Raises BackplaneError."""
        database, _ = await self._at_hand()
        await database.run(free_key(account, key, run_id))

    async def admit(self, account: str, run_id: str, most: int) -> bool:
        """Count a run of a starter. Raises BackplaneError."""
        database, _ = await self._at_hand()
        return await database.run(admit(account, run_id, most, self._counted, self._life - self._counted))

    async def dismiss(self, account: str, run_id: str) -> None:
        """The run was not made. Raises BackplaneError."""
        database, _ = await self._at_hand()
        await database.run(dismiss(account, run_id))

    async def room(self, name: str) -> RoomState:
        """The runs of a room. Raises BackplaneError."""
        return await self._change(name, lambda node: _nothing)

    async def enter(self, name: str, run_id: str, policy: OnBusy, most: int) -> RoomState:
        """Enter a room. Raises HubError, BackplaneError."""
        return await self._change(name, lambda node: entering(node, run_id, policy, most, self._unconfirmed))

    async def come_back(self, name: str, run_id: str) -> RoomState:
        """Enter before all waiting runs. Raises BackplaneError."""
        return await self._change(name, lambda node: coming_back(node, run_id, self._life))

    async def take_over(self, name: str, run_id: str) -> RoomState:
        """This server owns the run. Raises BackplaneError."""
        return await self._change(name, lambda node: holding(node, run_id, self._life))

    async def leave(self, name: str, run_id: str) -> None:
        """The run leaves, so the next one may begin. Raises BackplaneError."""
        await self._change(name, lambda node: leaving(node, run_id))

    async def ended(self, about: About) -> None:
        """A run has ended: it leaves its room, counts no more, and the time of its key counts from now."""
        database, _ = await self._at_hand()
        if about.get("counted"):
            await database.run(dismiss(about["account"], about["id"]))
        if about["key"] is not None:
            keep = round(about["keepKeys"] * 1000)
            await database.run(hold_key(about["account"], about["key"], about["id"], keep))
        if about["room"] is not None:
            await self.leave(about["room"], about["id"])

    async def _change(self, name: str, change: Callable[[str], Change]) -> RoomState:
        database, node = await self._at_hand()
        found = await database.run(change_room(node, name, change(node)))
        if isinstance(found, str):
            raise HubError(found)
        return found
