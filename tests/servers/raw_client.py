"""A WebSocket client of forty lines over asyncio streams: it shows each frame as it came."""

import asyncio

from tests.client_frames import frame

TEXT, BINARY, CLOSE, PING = 1, 2, 8, 9


class RawWebSocket:
    """One WebSocket; it answers nothing by itself, neither pings nor a close."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.status = 0
        self.headers: list[str] = []

    @classmethod
    async def open(cls, url: str, path: str, *extra_headers: str) -> "RawWebSocket":
        """Connect to `http://host:port`; `status` tells whether the upgrade was accepted (101)."""
        host, _, port = url.removeprefix("http://").rpartition(":")
        self = cls(*await asyncio.open_connection(host, int(port)))
        await self.upgrade(f"{host}:{port}", path, *extra_headers)
        return self

    async def upgrade(self, host: str, path: str, *extra_headers: str) -> None:
        """Ask for the upgrade, on a connection that is open already."""
        lines = [
            f"GET {path} HTTP/1.1",
            f"Host: {host}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            *extra_headers,
        ]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        self.status = int(head.split(" ", 2)[1])
        self.headers = head.lower().split("\r\n")[1:-2]

    def send(self, payload: bytes, opcode: int = TEXT) -> None:
        """One frame."""
        self.fragment(payload, 0x80 | opcode)

    def send_together(self, *payloads: bytes) -> None:
        """Frames of text that arrive in one piece."""
        self._writer.write(b"".join(frame(0x80 | TEXT, payload) for payload in payloads))

    def fragment(self, payload: bytes, first: int) -> None:
        """A frame whose first byte is `first`: without 0x80, more of the message follows."""
        self._writer.write(frame(first, payload))

    async def frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame. Raises asyncio.IncompleteReadError at the end."""
        first, second = await self._reader.readexactly(2)
        size = second & 0x7F
        if size >= 126:
            size = int.from_bytes(await self._reader.readexactly(2 if size == 126 else 8), "big")
        return first & 0x0F, await self._reader.readexactly(size)

    async def messages(self) -> list[str]:
        """The frames until the connection ends: text as it is, a close, which is answered, as its code."""
        found: list[str] = []
        try:
            while True:
                opcode, payload = await self.frame()
                if opcode == CLOSE:
                    found.append(f"close {int.from_bytes(payload[:2], 'big')}")
                    self.send(payload, CLOSE)
                else:
                    found.append(payload.decode())
        except (asyncio.IncompleteReadError, ConnectionResetError):  # the latter when our answer comes too late
            self._writer.close()
            return found

    def close(self) -> None:
        self._writer.close()
