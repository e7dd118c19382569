"""Dialects: what a viewer over plain HTTP is sent for each item. Without I/O: items in, bytes of an event stream out.

A dialect is a class in a module of its own, and a line in the table at the end.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from hubline.runs.http.ag_ui import AgUi
from hubline.runs.http.items import Items
from hubline.runs.http.subject import Subject
from hubline.runs.http.ui_message_stream import UiMessageStream
from hubline.runs.tape import Shared

Header: TypeAlias = tuple[bytes, bytes]


class Dialect(Protocol):
    """One viewer's translation. What is the same for all viewers of an item, it keeps with the item: `item.form(…)`."""

    @property
    def headers(self) -> Sequence[Header]:
        """Of the response, besides those of every event stream."""

    @property
    def has_positions(self) -> bool:
        """Whether a reader can go on from a position. Otherwise each begins with everything."""

    @property
    def finished(self) -> bool:
        """Whether the response ends here, though the run may go on."""

    def begin(self) -> bytes:
        """What comes first."""

    def item(self, item: Shared) -> bytes | None:
        """An item, or nothing; `None` when it cannot be told like this, and a snapshot has to come in its place."""

    def refused(self, text: str) -> bytes:
        """The reader may no longer see the run."""

    def end(self) -> bytes:
        """What comes last."""


DIALECTS: dict[str, Callable[[Subject], Dialect]] = {
    "items": Items,
    "ui-message-stream": UiMessageStream,
    "ag-ui": AgUi,
}
"""By their names in `?as=`; the first is that of a request without one."""

DEFAULT = next(iter(DIALECTS))
