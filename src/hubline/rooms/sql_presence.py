"""Who is in the rooms of SQL, and the servers whose devices they are on: each program is one transaction."""

import json

from hubline.rooms.sql_programs import LONGER, locked
from hubline.rooms.store import Device, Presence, device_item, presence_of
from hubline.runs.sql_programs import published
from hubline.sql.programs import Ask, Program, stored

DEVICE = "room = ? AND member = ? AND name = ?"
MEMBER = "room = ? AND name = ?"


class Change:
    """Changes of one room in a transaction. `epoch` is for a room that is new, `life` for how many ms it stays."""

    def __init__(self, room: str, epoch: str, life: int) -> None:
        self._room, self._name, self._epoch, self._life = room, stored(room), epoch, life
        self.version = 0

    def begin(self) -> Program[None]:
        """Lock the room."""
        self.version = (yield from locked(self._room, self._epoch, self._life)).version

    def enter(self, key: str, member: Presence, node: str, *, state: bool) -> Program[int]:
        """See `RoomStore.enter`: the device is one of the server `node`. Returns the version."""
        # before the room, and so that who takes the room over from this server finds it, whatever becomes of its lease
        yield Ask(
            "INSERT INTO {nodes} (name, until) VALUES (?, 0) ON CONFLICT (name) DO UPDATE SET until = {nodes}.until",
            (node,),
        )
        yield from self.begin()
        device = member.devices[0]
        found = yield Ask(f"SELECT state FROM {{members}} WHERE {MEMBER}", (self._name, stored(key)))
        if found:
            devices = yield Ask(
                "SELECT name, info, node, away FROM {devices} WHERE room = ? AND member = ?", (self._name, stored(key))
            )
            mine = (stored(device.id), _info(device), node, 0)
            is_there = mine in [tuple(each) for each in devices] and not any(away for *_, away in devices)
            if is_there and (not state or found[0][0] == member.state):
                return self.version
            gone = "DELETE FROM {devices} WHERE room = ? AND member = ? AND (name = ? OR away = 1)"
            yield Ask(gone, (self._name, stored(key), stored(device.id)))
            if state:
                change = f"UPDATE {{members}} SET state = ? WHERE {MEMBER}"
                yield Ask(change, (member.state, self._name, stored(key)))
        else:
            info = json.dumps({"user": member.user, "agent": member.agent})
            yield Ask(
                "INSERT INTO {members} (room, name, label, info, state) VALUES (?, ?, ?, ?, ?)",
                (self._name, stored(key), json.dumps(key), info, member.state),
            )
        yield Ask(
            "INSERT INTO {devices} (room, member, name, info, node, away) VALUES (?, ?, ?, ?, ?, 0)",
            (self._name, stored(key), stored(device.id), _info(device), node),
        )
        yield from self.changed(key)
        return self.version

    def away(self, key: str, device_id: str) -> Program[bool]:
        """See `RoomStore.away`."""
        yield from self.begin()
        device = self._name, stored(key), stored(device_id)
        query = "SELECT name, away FROM {devices} WHERE room = ? AND member = ?"
        devices = dict((yield Ask(query, device[:2])))
        if device[2] not in devices:
            return False
        if any(not away for name, away in devices.items() if name != device[2]):
            yield Ask(f"DELETE FROM {{devices}} WHERE {DEVICE}", device)
            yield from self.changed(key)
            return False
        yield Ask(f"UPDATE {{devices}} SET away = 1 WHERE {DEVICE}", device)
        return True

    def leave(self, key: str, device_id: str, *, if_away: bool) -> Program[None]:
        """See `RoomStore.leave`."""
        yield from self.begin()
        only = " AND away = 1" if if_away else ""
        device = self._name, stored(key), stored(device_id)
        if (yield Ask(f"DELETE FROM {{devices}} WHERE {DEVICE}{only} RETURNING name", device)):
            yield from self.changed(key)

    def set_state(self, key: str, state: str) -> Program[bool]:
        """See `RoomStore.set_state`."""
        yield from self.begin()
        found = yield Ask(f"SELECT state FROM {{members}} WHERE {MEMBER}", (self._name, stored(key)))
        if found and found[0][0] != state:
            yield Ask(f"UPDATE {{members}} SET state = ? WHERE {MEMBER}", (state, self._name, stored(key)))
            yield from self.changed(key)
        return bool(found)

    def sweep(self, gone: str) -> Program[None]:
        """Remove the devices of a server, unless it has its lease again."""
        lease = yield Ask("SELECT until > {now} FROM {nodes} WHERE name = ?{lock}", (gone,))
        if lease and lease[0][0]:
            return
        yield from self.begin()
        theirs = "SELECT member FROM {devices} WHERE node = ? AND room = ?"
        query = f"SELECT label FROM {{members}} WHERE room = ? AND name IN ({theirs})"
        members = yield Ask(query, (self._name, gone, self._name))
        yield Ask("DELETE FROM {devices} WHERE node = ? AND room = ?", (gone, self._name))
        for (label,) in members:
            yield from self.changed(json.loads(label))

    def changed(self, key: str) -> Program[None]:
        """Tell who watches the room what a member is like now. It goes with its last device."""
        self.version += 1
        name, member = self._name, stored(key)
        query = "SELECT info, node FROM {devices} WHERE room = ? AND member = ? ORDER BY number"
        devices = yield Ask(query, (name, member))
        record = None
        if devices:
            ((info, state),) = yield Ask(f"SELECT info, state FROM {{members}} WHERE {MEMBER}", (name, member))
            items = [{**json.loads(device), "node": node} for device, node in devices]
            record = {**json.loads(info), "state": state, "devices": items}
        else:
            yield Ask(f"DELETE FROM {{members}} WHERE {MEMBER}", (name, member))
        values = (self.version, self._life, self._life, name)
        yield Ask(f"UPDATE {{rooms}} SET version = ?, {LONGER} WHERE name = ?", values)
        yield from published([(self._room, f"p {self.version} {json.dumps([key, record])}")])


def read_change(text: str) -> tuple[str, Presence | None]:
    """The member of a message of `Change.changed`: its key, and what it is like."""
    key, record = json.loads(text)
    return key, None if record is None else presence_of(record)


def rooms_of(node: str) -> Program[list[str]]:
    """The rooms in which a server has devices."""
    query = "SELECT label FROM {rooms} WHERE name IN (SELECT room FROM {devices} WHERE node = ?)"
    return [json.loads(label) for (label,) in (yield Ask(query, (node,)))]


def forget(node: str) -> Program[None]:
    """A server has gone, and its devices are removed."""
    rows = yield Ask("SELECT until > {now} FROM {nodes} WHERE name = ?{lock}", (node,))
    if rows and not rows[0][0] and not (yield Ask("SELECT 1 FROM {devices} WHERE node = ? LIMIT 1", (node,))):
        for statement in (
            "DELETE FROM {nodes} WHERE name = ?",
            "DELETE FROM {topics} WHERE node = ?",
            "DELETE FROM {mail} WHERE node = ?",
        ):
            yield Ask(statement, (node,))


def _info(device: Device) -> str:
    return json.dumps({name: value for name, value in device_item(device).items() if name != "node"})
