"""Passwords: their hashes, and the check for easy ones."""

import asyncio
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from hubline_chat.accounts.errors import AccountError, too_many
from hubline_chat.accounts.guessing import LEAST, common, left_to_guess
from hubline_chat.store.users import folded

HASHER = PasswordHasher()
"""Argon2id with the parameters that argon2-cffi recommends: RFC 9106's second choice, 64 MiB."""
AT_ONCE = 2
"""Passwords that are hashed at the same time: each takes 64 MiB and, for about 50 ms, most of four cores."""
WAITING = 32
"""Passwords that wait to be hashed; further requests are refused."""
SHORTEST, LONGEST = 8, 200

Result = TypeVar("Result")


class Passwords:
    """Hashes and verifies in threads of its own, which do not block the event loop and limit the memory."""

    def __init__(self, hasher: PasswordHasher = HASHER) -> None:
        self._hasher = hasher
        self._threads = ThreadPoolExecutor(AT_ONCE, "passwords")
        self._open = 0

    async def start(self) -> None:
        """Make the hash for unknown names in advance, so that an attacker cannot measure the time for it."""
        await self._run(lambda: self._nobodys)

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Raises AccountError when too many are waiting."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, kept: str | None, password: str) -> bool:
        """Whether a password has this hash. Without a hash the check takes as long, and fails.

        Raises:
            AccountError: too many are waiting.
        """
        return await self._run(lambda: self._fits(kept or self._nobodys, password)) and kept is not None

    def outdated(self, kept: str) -> bool:
        """Whether a hash was made with other than the present parameters."""
        return self._hasher.check_needs_rehash(kept)

    @cached_property
    def _nobodys(self) -> str:
        return self._hasher.hash(secrets.token_hex())

    def _fits(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], Result]) -> Result:
        if self._open >= AT_ONCE + WAITING:
            raise too_many(2)
        self._open += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._open -= 1


def check_strength(password: str, name: str) -> None:
    """Refuse a new password that is too easy to guess, or too long to be one.

    Raises:
        AccountError: with the reason.
    """
    if len(password) < SHORTEST:
        problem = f"The password is too short: it needs {SHORTEST} characters or more."
    elif len(password) > LONGEST:
        problem = f"The password is too long: {LONGEST} characters are allowed."
    elif folded(password) == folded(name):
        problem = "The password must not be the name."
    elif folded(password) in common():
        problem = "This password is one of the most common ones. Choose another one."
    elif left_to_guess(password, name) < LEAST:
        problem = (
            "The password is too easy to guess: it is little more than a common word, a name, or characters in a row. "
            "Several words that have nothing to do with each other are better."
        )
    else:
        return
    raise AccountError(422, "weak-password", problem)
