"""The transports there are. A request is given to the first one that it matches."""

from hubline.transports import long_polling, server_sent_events, websocket
from hubline.transports.kind import Kind

KINDS: tuple[Kind, ...] = (websocket.KIND, server_sent_events.KIND, long_polling.KIND)
"""One line for each transport: the order in which they are asked whether a request is theirs."""
