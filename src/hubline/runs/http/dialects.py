"""Dialects: the forms of items for viewers over plain HTTP. Without I/O: items in, bytes of an event stream out.

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
    """One viewer's translation. Output that is the same for all viewers of an item is kept with it: `item.form(…)`."""

    @property
    def headers(self) -> Sequence[Header]:
        """Headers of the response, besides those of every event stream."""

    @property
    def has_positions(self) -> bool:
        """Whether a reader can continue from a position. Otherwise each response begins with everything."""

    @property
    def finished(self) -> bool:
        """Whether the response ends here, even if the run continues."""

    def begin(self) -> bytes:
        """The first bytes."""

    def item(self, item: Shared) -> bytes | None:
        """An item, or nothing; `None` if the protocol cannot express it, so that a snapshot is needed instead."""

    def refused(self, text: str) -> bytes:
        """The reader may no longer see the run."""

    def end(self) -> bytes:
        """The last bytes."""


DIALECTS: dict[str, Callable[[Subject], Dialect]] = {
    "items": Items,
    "ui-message-stream": UiMessageStream,
    "ag-ui": AgUi,
}
"""By their names in `?as=`; the first one is the default."""

DEFAULT = next(iter(DIALECTS))
