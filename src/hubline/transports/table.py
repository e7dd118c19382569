"""The table of transports. A request goes to the first one that matches it."""

from hubline.transports import long_polling, server_sent_events, websocket
from hubline.transports.base import TransportType

TRANSPORTS: tuple[TransportType, ...] = (websocket.TYPE, server_sent_events.TYPE, long_polling.TYPE)
"""One line for each transport, in the order in which they are compared with a request."""
