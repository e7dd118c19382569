"""Who is connected to this server, and under which names: indexes by connection, group and user. No scans."""

from collections.abc import Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from hubline.server.recipients import All, Connections, Groups, Recipients, Users


class Member(Protocol):
    """What can be addressed."""

    @property
    def id(self) -> str: ...

    @property
    def user_id(self) -> str | None: ...


MemberT = TypeVar("MemberT", bound=Member)


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

    def remove(self, member: MemberT) -> None:
        """Forget a connection and every membership it has. Doing it twice is harmless."""
        if self.connections.pop(member.id, None) is None:
            return
        for group in self._groups_of.pop(member.id, ()):
            _discard(self._groups, group, member.id)
        if member.user_id is not None:
            _discard(self._users, member.user_id, member.id)

    def rename(self, member: MemberT, before: str | None) -> None:
        """The member's user id was `before`, and is another now. Nothing happens to one that is not connected."""
        if member.id not in self.connections:
            return
        if before is not None:
            _discard(self._users, before, member.id)
        if member.user_id is not None:
            self._users.setdefault(member.user_id, {})[member.id] = member

    def join(self, connection_id: str, group: str) -> None:
        """Add to a group; unknown connections and repeated joins do nothing.

        A connection that has ended is unknown, so a join that races with the end leaves nothing behind.
        """
        member = self.connections.get(connection_id)
        if member is not None:
            self._groups.setdefault(group, {})[connection_id] = member
            self._groups_of.setdefault(connection_id, set()).add(group)

    def leave(self, connection_id: str, group: str) -> None:
        _discard(self._groups, group, connection_id)
        groups = self._groups_of.get(connection_id)
        if groups is not None:
            groups.discard(group)
            if not groups:
                del self._groups_of[connection_id]

    def members(self, recipients: Recipients) -> Iterable[MemberT]:
        """The addressed connections of this server. Iterate at once: the result may be a live view."""
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


def _discard(index: dict[str, dict[str, MemberT]], key: str, member_id: str) -> None:
    members = index.get(key)
    if members is not None:
        members.pop(member_id, None)
        if not members:
            del index[key]
