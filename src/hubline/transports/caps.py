"""The limits on connections of one user or one address, open or negotiated and not opened yet."""

from collections import Counter
from typing import TypeAlias

from hubline.connection import ConnectionScope
from hubline.transports.options import TransportOptions

Place: TypeAlias = list[tuple["Counter[str]", str]]
"""The counters that count one connection, each with its key."""


class NoRoom(Exception):
    """No connection can be added now. `status` is the HTTP status of the answer; the text is for the log."""

    status = 503


class TooMany(NoRoom):
    """A user or an address has its maximum of connections. Other clients are still admitted."""

    status = 429

    def __init__(self, whose: str, key: str, limit: int, what: str) -> None:
        self.whose, self.key, self.limit = whose, key, limit
        super().__init__(f"the {whose} {key[:100]!r} is at the limit of {limit:,} {what} connections")


class Caps:
    """Counts connections by user and by address. Users and addresses without connections are not kept.

    Clients without identity have no cap per user. An address is counted as `ConnectionScope.network` says.
    """

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._uncapped = options.connections_per_user is None and options.connections_per_address is None
        self._users: Counter[str] = Counter()
        self._networks: Counter[str] = Counter()
        self._waiting: Counter[str] = Counter()

    def __len__(self) -> int:
        """The number of entries of the tables."""
        return len(self._users) + len(self._networks) + len(self._waiting)

    def wait(self, scope: ConnectionScope) -> Place:
        """Count a connection that is negotiated and not opened yet. Raises `TooMany`."""
        if not self._uncapped:
            self._with_room(scope)
        limit = self._options.waiting_per_address
        if limit is None:
            return []
        if self._waiting[scope.network] >= limit:
            raise TooMany("address", scope.network, limit, "waiting")
        return _taken([(self._waiting, scope.network)])

    def open(self, scope: ConnectionScope) -> Place:
        """Count an open connection. Raises `TooMany`."""
        if self._uncapped:
            return []
        return _taken(self._with_room(scope))

    def leave(self, place: Place) -> None:
        """The connection has ended: count it no longer."""
        for counter, key in place:
            counter[key] -= 1
            if not counter[key]:
                del counter[key]
        place.clear()

    def _with_room(self, scope: ConnectionScope) -> Place:
        """The counters for one more open connection, if it is allowed. Raises `TooMany`."""
        capped = self._capped(scope)
        for whose, counter, key, limit in capped:
            if counter[key] >= limit:
                raise TooMany(whose, key, limit, "open")
        return [(counter, key) for _, counter, key, _ in capped]

    def _capped(self, scope: ConnectionScope) -> list[tuple[str, "Counter[str]", str, int]]:
        """The caps for open connections that are set and apply to this client."""
        found = []
        user = scope.user_id
        if self._options.connections_per_user is not None and user is not None:
            found.append(("user", self._users, user, self._options.connections_per_user))
        if self._options.connections_per_address is not None:
            found.append(("address", self._networks, scope.network, self._options.connections_per_address))
        return found


def _taken(place: Place) -> Place:
    for counter, key in place:
        counter[key] += 1
    return place
