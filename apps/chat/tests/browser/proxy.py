"""A TCP proxy in front of the server, whose connections a test can cut: what a dead router looks like to a browser."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

from apps.chat.tests.browser.loop_thread import LoopThread


class CuttableProxy:
    """Listens on a free port in a thread of its own and passes bytes to `port`, until it is cut.

    `port` may be set to that of a server in the place of the first.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self.url = ""

    def __enter__(self) -> Self:
        self._thread = LoopThread()
        self._server = self._thread.run(asyncio.start_server(self._accept, "127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.soon(self._server.close)
        self.cut()
        self._thread.close()

    def cut(self) -> None:
        """Reset every connection, and every new one, until `mend`. None passes a byte any more when this returns."""
        self._thread.run(self._set_cut(True))

    def mend(self) -> None:
        self._thread.run(self._set_cut(False))

    async def _set_cut(self, is_cut: bool) -> None:
        self._is_cut = is_cut
        if is_cut:
            for writer in self._writers:
                writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_writer: asyncio.StreamWriter | None = None
        with contextlib.suppress(OSError):  # the server is not there
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.port)
        if self._is_cut or server_writer is None:  # cut perhaps while the server was being connected to
            writer.transport.abort()
            if server_writer is not None:
                server_writer.transport.abort()
            return
        with contextlib.suppress(OSError):
            self._writers |= {writer, server_writer}
            try:
                await asyncio.gather(_pump(reader, server_writer), _pump(server_reader, writer))
            finally:
                self._writers -= {writer, server_writer}
                writer.close()
                server_writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        writer.write_eof()
