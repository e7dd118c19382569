"""Where the bytes of files are: a directory of this machine, or a bucket with the protocol of S3."""

import asyncio
import os
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Protocol

CHUNK_BYTES = 128 * 1024


class FileMissing(Exception):
    """The storage has no such file."""


class Storage(Protocol):
    """Keeps files by key: up to 32 characters of `A-Z a-z 0-9 _ -`. Its errors are OSErrors, if not said otherwise."""

    async def put(self, key: str, source: Path) -> None:
        """Store a file that is on this machine. `source` may be gone afterwards."""

    def read(self, key: str) -> AsyncGenerator[bytes, None]:
        """The bytes, in pieces. Close it if it is not read to the end.

        Raises:
            FileMissing: before the first piece.
        """
        ...

    async def delete(self, key: str) -> None:
        """Delete a file. One that is not there is no error."""


class DiskStorage:
    """Files in a directory of this machine, which is made when it is needed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def put(self, key: str, source: Path) -> None:
        """See `Storage.put`. `source` must be on the same disk: it is renamed."""
        await asyncio.to_thread(self._take_over, self._path(key), source)

    async def read(self, key: str) -> AsyncGenerator[bytes, None]:
        """See `Storage.read`."""
        try:
            file = await asyncio.to_thread(self._path(key).open, "rb")
        except FileNotFoundError as error:
            raise FileMissing(key) from error
        try:
            while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
                yield chunk
        finally:
            file.close()

    async def delete(self, key: str) -> None:
        """See `Storage.delete`."""
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / key

    @staticmethod
    def _take_over(path: Path, source: Path) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.replace(source, path)
