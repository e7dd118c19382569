"""The table of transports. A request goes to the first one that matches it."""

from hubline.transports import long_polling, server_sent_events, websocket
from hubline.transports.kind import Kind

KINDS: tuple[Kind, ...] = (websocket.KIND, server_sent_events.KIND, long_polling.KIND)
"""One line for each transport, in the order in which they are compared with a request."""
