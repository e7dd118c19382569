"""Which positions of the table a server has read. Positions rise, but transactions end in another order."""

from collections.abc import Iterable

MOST_MISSING = 10_000
"""Missing positions that one read looks for. Ours: more are missing only if the sequence was changed by hand."""


class Positions:
    """The last position that was read, and the earlier positions that are still missing.

    A position is missing while its transaction runs, and for ever if that was rolled back. Reads look for it until
    every transaction that may have taken it has ended.
    """

    def __init__(self, last: int, taken: Iterable[int], since: int) -> None:
        """Positions up to `last` are read, except those after `since` that are not in `taken`."""
        self.last = last
        self._missing: dict[int, int | None] = dict.fromkeys(sorted(set(range(since + 1, last + 1)) - set(taken)))
        """Missing positions, each with the number of a transaction newer than every one that may have taken it."""

    @property
    def missing(self) -> list[int]:
        return list(self._missing)

    def read(self, position: int) -> bool:
        """A row with this position was found. Whether it is new."""
        if position <= self.last:
            return self._missing.pop(position, 0) != 0
        if position - self.last <= MOST_MISSING:
            self._missing.update(dict.fromkeys(range(self.last + 1, position)))
        self.last = position
        return True

    def expect(self, next_one: int) -> None:
        """Note that `next_one` is newer than every transaction that may have taken one of the missing positions.

        It is the number of a transaction that began after the last read.
        """
        self._missing = {position: next_one if newer is None else newer for position, newer in self._missing.items()}

    def forget(self, oldest: int) -> None:
        """Forget positions that will stay missing: the read has not found them, and their transactions had ended.

        `oldest` is the number of the oldest transaction that ran before that read. One asked for after it may have
        passed a transaction that has committed in between.
        """
        self._missing = {
            position: newer for position, newer in self._missing.items() if newer is None or newer > oldest
        }
