"""Which positions of the table a server has read. Positions rise, but transactions end in another order."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple


class Missing(NamedTuple):
    """Positions in a row that are missing: one transaction may have taken millions of them."""

    first: int
    last: int
    newer: int | None = None
    """The number of a transaction newer than every one that may have taken one of them."""


class Positions:
    """The last position that was read, and the earlier positions that are still missing.

    A position is missing while its transaction runs, and for ever if that was rolled back. Reads look for it until
    every transaction that may have taken it has ended.
    """

    def __init__(self, last: int, missing: Iterable[tuple[int, int]] = ()) -> None:
        """Positions up to `last` are read, except from the first to the second of each of `missing`, which rise."""
        self.last = last
        self._missing = [Missing(*each) for each in missing]

    @property
    def missing(self) -> list[tuple[int, int]]:
        """The first and the last of missing positions in a row, for each row of them."""
        return [(each.first, each.last) for each in self._missing]

    def read(self, position: int) -> bool:
        """A row with this position was found. Whether it is new."""
        if position > self.last:
            if position - self.last > 1:
                self._missing.append(Missing(self.last + 1, position - 1))
            self.last = position
            return True
        index = bisect_right(self._missing, position, key=lambda each: each.first) - 1
        if index < 0 or position > self._missing[index].last:
            return False
        found = self._missing[index]
        around = found._replace(last=position - 1), found._replace(first=position + 1)
        self._missing[index : index + 1] = [each for each in around if each.first <= each.last]
        return True

    def expect(self, next_one: int) -> None:
        """Note that `next_one` is newer than every transaction that may have taken one of the missing positions.

        It is the number of a transaction that began after the last read.
        """
        self._missing = [each if each.newer is not None else each._replace(newer=next_one) for each in self._missing]

    def forget(self, oldest: int) -> None:
        """Forget positions that will stay missing: the read has not found them, and their transactions had ended.

        `oldest` is the number of the oldest transaction that ran before that read. One asked for after it may have
        passed a transaction that has committed in between.
        """
        self._missing = [each for each in self._missing if each.newer is None or each.newer > oldest]
