"""The state that servers with a shared log agree on: the runs of keys and of starters, and their order in rooms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from hubline.runs.info import OnBusy

Standing: TypeAlias = Literal["active", "waiting", "stopping", "given up"]
"""The standing of a run in its room: it may run, waits for its turn, must be stopped, or must end without a begin."""

RoomState: TypeAlias = Sequence[tuple[str, Standing]]
"""Ids of runs in the order of their arrival."""


@dataclass(frozen=True, slots=True)
class TakenKey:
    """A key that is in use."""

    run_id: str
    """The run that it has started, or will start."""
    request: str
    """The fingerprint of the request."""
    made: bool
    """Whether that run exists. Until then the key expires after a while, because its server may have gone."""


class RunRegistry(Protocol):
    """Keys of requests, rooms and runs of starters of all servers. Each call is atomic; repeating it changes nothing.

    The other half is the log's: a run that `RunLog.describe` calls ended has left its room and counts no more among
    those of its starter, and the time of its key begins; while it lives, its lease keeps all three. At most 100,000
    keys of ended runs are kept, the newest. All calls raise BackplaneError.
    """

    async def take_key(self, account: str, key: str, run_id: str, request: str) -> TakenKey:
        """Take a key for a run that is about to be made, or find the one that has it: compare the ids."""

    async def confirm_key(self, account: str, key: str, run_id: str, request: str) -> bool:
        """The run exists. False: it took too long, and another one has the key."""

    async def free_key(self, account: str, key: str, run_id: str) -> None:
        """The run was not made. The key of another run stays."""

    async def admit(self, account: str, run_id: str, most: int) -> bool:
        """Count a run that is being made among those of its starter that have not ended; False if there are `most`.

        If its server goes, it counts until another server has taken it over and it has ended there, or for a while.
        """

    async def dismiss(self, account: str, run_id: str) -> None:
        """The run was not made. It counts no more."""

    async def room(self, name: str) -> RoomState:
        """The runs of a room that have not ended."""

    async def enter(self, name: str, run_id: str, policy: OnBusy, most: int) -> RoomState:
        """Enter a room by its policy; at most `most` wait. Runs that must stop for it are marked.

        Raises:
            HubError: the room is busy, or too many wait.
        """

    async def come_back(self, name: str, run_id: str) -> RoomState:
        """A run that left while it waited for a person continues, or waits before all others: it came before them."""

    async def take_over(self, name: str, run_id: str) -> RoomState:
        """This server owns the run now, and gets the report of its turn."""

    async def leave(self, name: str, run_id: str) -> None:
        """The run, which this server owns, has ended or was not made, so the next one may begin."""
