"""Reads the body of a POST into the inbox of its connection."""

from starlette.types import Receive

from hubline.transports.inbox import Inbox
from hubline.transports.responses import Answer, plain


async def take_body(inbox: Inbox, receive: Receive) -> Answer:
    """Feed the body of one request. The answer is sent when its bytes are queued, not when they are processed.

    Concurrent requests take turns. A body that fits into the inbox is delivered whole, or not at all if the
    client leaves before its end. A larger body is passed on in pieces of that size, so it is never held as a whole.
    """
    async with inbox.feeding:
        held = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return plain(400)
            held += message.get("body", b"")
            more = message.get("more_body", False)
            if more and len(held) <= inbox.capacity:
                continue
            if not await inbox.feed(bytes(held)):
                return plain(404)
            if not more:
                return plain(200)
            held.clear()
