"""Uploads, and the files of messages, with who may do what."""

import asyncio
import logging
import secrets
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hubline import HubError
from hubline_chat.accounts.errors import AccountError
from hubline_chat.attached import File
from hubline_chat.files.kinds import clean_file_name, kind_of
from hubline_chat.files.storage import FileMissing, Storage
from hubline_chat.room import Room
from hubline_chat.rooms import Rooms
from hubline_chat.settings import ChatSettings
from hubline_chat.store import StoreError, User
from hubline_chat.store.files import FileStore, StoredFile

logger = logging.getLogger("hubline_chat")

FILES = 10
"""Of one message."""
UPLOADS = 4
"""Of one person at the same time."""
UNSENT = timedelta(days=1)
"""Files that were uploaded and not sent are deleted after this time."""
MEGABYTE = 1_000_000
GONE = "This file does not exist any more."


class Files:
    """The files of all rooms. An upload is written to `directory`, on the disk of a `DiskStorage`, as it arrives."""

    def __init__(
        self, rooms: Rooms, store: FileStore, storage: Storage, directory: Path, settings: ChatSettings
    ) -> None:
        self._rooms, self._store, self.storage, self._directory = rooms, store, storage, directory
        self.limit = settings.file_megabytes * MEGABYTE
        """Bytes of one file; 0: there are none."""
        self._quota = settings.person_megabytes * MEGABYTE
        self._guest_quota = settings.guest_megabytes * MEGABYTE
        self._arriving: Counter[str] = Counter()
        """Bytes of uploads that have not ended, by user: what they may become."""
        self._uploads: Counter[str] = Counter()

    async def upload(self, user: User, room_id: str, name: str, chunks: AsyncIterator[bytes], size: int | None) -> File:
        """Store a file for a message in a room. `size`: that of the upload, if the request tells it.

        Raises:
            AccountError: the file is too large or empty, there is no room for it, or it could not be stored.
        """
        self._check_size(size)
        try:
            self._rooms.find(room_id, user.id).check_open()
        except HubError as error:
            raise AccountError(404, "no-such-room", str(error)) from None
        with self._place(user, size):
            await self._check_quota(user)
            with await asyncio.to_thread(self._temporary) as directory:
                path = Path(directory) / "upload"
                size = await self._receive(chunks, path)
                name = clean_file_name(name)
                kind = await asyncio.to_thread(kind_of, path, name)
                file = File(secrets.token_urlsafe(18), name, kind.type, size, kind.width, kind.height)
                await self._keep(file, path, user.id, room_id)
        return file

    async def open(self, file_id: str, user_id: str) -> tuple[File, AsyncGenerator[bytes, None]]:
        """A file, and its bytes, for a person who may read it.

        Raises:
            AccountError: there is none for this person.
        """
        return (await self._readable(file_id, user_id)).file, self.storage.read(file_id)

    async def discard(self, file_id: str, user_id: str) -> None:
        """Delete an upload that was not sent, by whoever made it."""
        known = (await self._store.get([file_id])).get(file_id)
        if known is not None and known.owner_id == user_id and known.is_unsent:
            await self._delete([file_id])

    async def chosen(self, user: User, room: Room, file_ids: Sequence[str]) -> list[File]:
        """Uploads of a person for a new message in a room. The store refuses those that a message has already.

        Raises:
            HubError: one of them does not exist any more, or is not for this room.
        """
        if not file_ids:
            return []
        if len(file_ids) > FILES or len({*file_ids}) < len(file_ids):
            raise HubError(f"A message can have {FILES} files, each once.")
        known = await self._store.get(file_ids)
        mine = [known[each] for each in file_ids if each in known]
        if len(mine) < len(file_ids) or any(each.owner_id != user.id or each.room_id != room.id for each in mine):
            raise HubError("A file of this message does not exist any more. Attach it again.")
        return [each.file for each in mine]

    async def delete_of(self, files: Sequence[File]) -> None:
        """Delete the files of a message that was deleted. What cannot be deleted now is deleted by `tidy`."""
        if files:
            ids = [file.id for file in files]
            await self._store.detach(ids)
            await self._delete(ids)

    async def tidy(self) -> None:
        """Delete the files of messages that are gone, uploads that were never sent, and what a killed server left."""
        before = datetime.now(UTC) - UNSENT
        await asyncio.to_thread(self._sweep, before.timestamp())
        try:
            while unused := await self._store.unused(before):
                if not await self._delete(unused):
                    return
        except StoreError:
            logger.warning("files that nobody needs could not be deleted; they are tried again")

    async def _readable(self, file_id: str, user_id: str) -> StoredFile:
        known = (await self._store.get([file_id])).get(file_id)
        if known is not None:
            room = self._rooms.get(known.room_id)
            may_see = room is not None and room.is_visible_to(user_id)
            if may_see and (known.is_attached or (known.is_unsent and known.owner_id == user_id)):
                return known
        raise AccountError(404, "no-such-file", GONE)

    async def _receive(self, chunks: AsyncIterator[bytes], path: Path) -> int:
        """Write an upload to the disk as it arrives; its size."""
        size = 0
        try:
            with path.open("wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    self._check_size(size)
                    if chunk:
                        await asyncio.to_thread(file.write, chunk)
        except OSError as error:
            raise _unstorable(error) from error
        if size == 0:
            raise AccountError(422, "empty", "The file is empty.")
        return size

    async def _keep(self, file: File, path: Path, owner_id: str, room_id: str) -> None:
        """The description comes first, so that bytes without one are never left behind."""
        await self._store.add(file, owner_id, room_id)
        try:
            await self.storage.put(file.id, path)
        except OSError as error:
            await self._delete([file.id])
            raise _unstorable(error) from error

    async def _delete(self, file_ids: Sequence[str]) -> bool:
        """The bytes first: what fails is found again by its description. Whether all are gone."""
        gone = []
        for file_id in file_ids:
            try:
                await self.storage.delete(file_id)
                gone.append(file_id)
            except OSError as error:
                logger.warning("a file could not be deleted: %s", error)
        await self._store.delete_unused(gone)
        return len(gone) == len(file_ids)

    def _temporary(self) -> "tempfile.TemporaryDirectory[str]":
        """A directory for one upload. Raises AccountError."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            return tempfile.TemporaryDirectory(dir=self._directory, ignore_cleanup_errors=True)
        except OSError as error:
            raise _unstorable(error) from error

    def _sweep(self, before: float) -> None:
        """Delete the directories of uploads that began before a time and did not end: their server was killed."""
        for left in self._directory.glob("*"):
            with suppress(OSError):  # one that has just ended is gone
                if left.stat().st_mtime < before:
                    shutil.rmtree(left)

    def _check_size(self, size: int | None) -> None:
        if not self.limit:
            raise AccountError(403, "no-files", "Files cannot be sent here.")
        if size is not None and size > self.limit:
            raise AccountError(413, "too-large", f"The file is too large: {self.limit // MEGABYTE} MB are allowed.")

    @contextmanager
    def _place(self, user: User, size: int | None) -> Iterator[None]:
        """Count an upload while it arrives."""
        if self._uploads[user.id] >= UPLOADS:
            raise AccountError(429, "too-many", "Too many files at once. Wait until some have arrived.", retry_after=2)
        reserved = self.limit if size is None else size
        self._uploads[user.id] += 1
        self._arriving[user.id] += reserved
        try:
            yield
        finally:
            self._uploads[user.id] -= 1
            self._arriving[user.id] -= reserved
            if not self._uploads[user.id]:
                del self._uploads[user.id], self._arriving[user.id]

    async def _check_quota(self, user: User) -> None:
        quota = self._guest_quota if user.role == "guest" else self._quota
        if await self._store.used(user.id) + self._arriving[user.id] > quota:
            text = f"Your files would have more than {quota // MEGABYTE} MB. Delete messages with files first."
            raise AccountError(413, "quota", text)


async def first_of(storage: Storage, file_id: str, most: int) -> bytes:
    """The first bytes of a file; empty when it is gone. Raises OSError."""
    data = bytearray()
    pieces = storage.read(file_id)
    try:
        async for piece in pieces:
            data += piece
            if len(data) >= most:
                break
    except FileMissing:
        return b""
    finally:
        await pieces.aclose()
    return bytes(data[:most])


def _unstorable(error: OSError) -> AccountError:
    logger.error("a file could not be stored: %s", error)
    return AccountError(503, "unavailable", "The file cannot be stored at the moment. Try again later.", retry_after=5)
