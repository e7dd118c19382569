"""The connections of one hub on this server, indexed by id, group and user. Nothing scans all connections."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from hubline.server.members import Addressee
from hubline.server.recipients import All, Connections, Groups, Recipients, Users

MemberT = TypeVar("MemberT", bound=Addressee)


@dataclass(frozen=True, slots=True)
class Left:
    """The groups and the user that have no connection on this server any more, after a connection has ended."""

    groups: tuple[str, ...] = ()
    user: str | None = None


class LocalIndex(Generic[MemberT]):
    """The connections of one hub on this server."""

    def __init__(self) -> None:
        self.connections: dict[str, MemberT] = {}
        self._groups: dict[str, dict[str, MemberT]] = {}
        self._groups_of: dict[str, set[str]] = {}
        self._users: dict[str, dict[str, MemberT]] = {}

    def add(self, member: MemberT) -> None:
        self.connections[member.id] = member
        if member.user_id is not None:
            self._users.setdefault(member.user_id, {})[member.id] = member

    def remove(self, member: MemberT) -> Left:
        """Remove a connection and its memberships. May be called twice. Returns what has no connection any more."""
        if self.connections.pop(member.id, None) is None:
            return Left()
        left = [group for group in self._groups_of.pop(member.id, ()) if _discard(self._groups, group, member.id)]
        user = member.user_id
        return Left(tuple(left), user if user is not None and _discard(self._users, user, member.id) else None)

    def rename(self, member: MemberT, before: str | None) -> bool:
        """The member's user id was `before` and has changed. Returns whether `before` has no connection any more.

        A connection that is not in the index is ignored.
        """
        if member.id not in self.connections:
            return False
        last = before is not None and _discard(self._users, before, member.id)
        if member.user_id is not None:
            self._users.setdefault(member.user_id, {})[member.id] = member
        return last

    def join(self, connection_id: str, group: str) -> bool:
        """Add a connection to a group. A repeated join does nothing. False if the connection is unknown.

        A connection that has ended is unknown, so a join at the time of its end leaves nothing behind.
        """
        member = self.connections.get(connection_id)
        if member is None:
            return False
        self._groups.setdefault(group, {})[connection_id] = member
        self._groups_of.setdefault(connection_id, set()).add(group)
        return True

    def leave(self, connection_id: str, group: str) -> bool:
        """Remove a connection from a group. Returns whether it was the last member."""
        last = _discard(self._groups, group, connection_id)
        groups = self._groups_of.get(connection_id)
        if groups is not None:
            groups.discard(group)
            if not groups:
                del self._groups_of[connection_id]
        return last

    def groups_of(self, connection_id: str) -> Collection[str]:
        """The groups of a connection. Copy them before you change them."""
        return self._groups_of.get(connection_id, ())

    def sizes(self) -> dict[str, int]:
        """The connections of each group."""
        return {name: len(members) for name, members in self._groups.items()}

    def members(self, recipients: Recipients) -> Iterable[MemberT]:
        """The addressed connections of this server. Iterate at once: the result may change with the index."""
        match recipients:
            case All(excluded=()):
                return self.connections.values()
            case All(excluded=excluded):
                return _without(self.connections, frozenset(excluded))
            case Connections(ids=ids):
                return [self.connections[i] for i in ids if i in self.connections]
            case Groups(names=(name,), excluded=()):
                return self._groups.get(name, {}).values()
            case Groups(names=names, excluded=excluded):
                banned = frozenset(excluded)
                return (member for name in names for member in _without(self._groups.get(name, {}), banned))
            case Users(ids=ids):  # pragma: no branch
                return [member for user in ids for member in self._users.get(user, {}).values()]

    def statistics(self) -> dict[str, int]:
        return {"connections": len(self.connections), "groups": len(self._groups), "users": len(self._users)}


def _without(members: dict[str, MemberT], excluded: frozenset[str]) -> Iterator[MemberT]:
    return (member for key, member in members.items() if key not in excluded)


def _discard(index: dict[str, dict[str, MemberT]], key: str, member_id: str) -> bool:
    """Remove a connection from one entry. Returns whether it was the last one."""
    members = index.get(key)
    if members is None:
        return False
    members.pop(member_id, None)
    if members:
        return False
    del index[key]
    return True
