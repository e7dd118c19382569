"""The floor: a ready-made frame, written to raw transports. No hub, no limits, nothing that a server needs."""

import asyncio
import json
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from benchmarks.servers.serving import port

everybody: set[Any] = set()


class Listener(WSListener):
    """Answers `BroadcastApart` when it is done, and `EchoText` at once."""

    def on_ws_connected(self, transport: WSTransport) -> None:
        everybody.add(transport.underlying_transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        everybody.discard(transport.underlying_transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type != WSMsgType.TEXT:
            return
        message = json.loads(frame.get_payload_as_bytes())
        if message["method"] == "EchoText":
            answer(transport, message, message["arguments"][0])
        else:
            asyncio.get_running_loop().call_soon(broadcast, transport, message, message["arguments"][0])


def answer(transport: WSTransport, message: dict[str, Any], result: Any) -> None:
    payload = json.dumps({"id": message["id"], "result": result}, separators=(",", ":"))
    transport.send(WSMsgType.TEXT, payload.encode())


def broadcast(caller: WSTransport, message: dict[str, Any], left: int) -> None:
    """One broadcast, and the next in the next turn of the loop."""
    frame = ready_made(message["arguments"][1])
    for transport in everybody:
        transport.write(frame)
    if left > 1:
        asyncio.get_running_loop().call_soon(broadcast, caller, message, left - 1)
    else:
        answer(caller, message, None)


def ready_made(size: int) -> bytes:
    """A frame with the message that Hubline sends, without the separator that ends it there."""
    message = {"type": 1, "target": "ReceiveMessage", "arguments": ["alice", "x" * size]}
    payload = json.dumps(message, separators=(",", ":")).encode()
    head = bytes((0x81, len(payload))) if len(payload) < 126 else b"\x81\x7e" + len(payload).to_bytes(2, "big")
    return head + payload


def listener(request: WSUpgradeRequest) -> Listener:
    return Listener()


async def main() -> None:
    server = await ws_create_server(listener, "127.0.0.1", port(), backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
