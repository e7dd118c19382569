"""Passwords: how they are hashed, how many at a time, and how long a wrong name takes."""

import asyncio
import threading
from typing import Any

import pytest
from argon2 import PasswordHasher

from apps.chat.tests.harness import QUICK
from hubline_chat.accounts.attempts import KEPT, Attempts
from hubline_chat.accounts.errors import AccountError
from hubline_chat.accounts.passwords import AT_ONCE, HASHER, WAITING, Passwords


class Counting(PasswordHasher):
    """Counts what it does, and waits in the middle of it until it may go on."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.running = self.most = self.verified = 0
        self.may_go_on = threading.Event()
        self.lock = threading.Lock()

    def verify(self, *arguments: Any) -> Any:
        with self.lock:
            self.verified += 1
            self.running += 1
            self.most = max(self.most, self.running)
        self.may_go_on.wait(5)
        try:
            return super().verify(*arguments)
        finally:
            with self.lock:
                self.running -= 1


async def test_a_password_fits_its_hash_and_no_other() -> None:
    passwords = Passwords(QUICK)
    kept = await passwords.hash("secret")
    assert kept.startswith("$argon2id$")
    assert await passwords.verify(kept, "secret")
    assert not await passwords.verify(kept, "Secret")
    assert not await passwords.verify("no hash at all", "secret")
    passwords.close()


def test_the_parameters_are_at_least_those_of_owasp() -> None:
    assert (HASHER.type.name, HASHER.memory_cost >= 19 * 1024, HASHER.time_cost >= 2) == ("ID", True, True)


async def test_a_name_that_nobody_has_costs_the_same_work() -> None:
    hasher = Counting()
    hasher.may_go_on.set()
    passwords = Passwords(hasher)
    await passwords.start()
    assert not await passwords.verify(None, "secret")
    assert hasher.verified == 1
    passwords.close()


async def test_two_at_once_some_wait_and_further_ones_are_told_to_try_again() -> None:
    hasher = Counting()
    passwords = Passwords(hasher)
    kept = QUICK.hash("secret")
    tasks = [asyncio.ensure_future(passwords.verify(kept, "secret")) for _ in range(AT_ONCE + WAITING + 1)]
    with pytest.raises(AccountError) as raised:
        await tasks[-1]
    assert (raised.value.status, raised.value.code) == (429, "too-many")
    hasher.may_go_on.set()
    assert await asyncio.gather(*tasks[:-1]) == [True] * (AT_ONCE + WAITING)
    assert hasher.most == AT_ONCE
    passwords.close()


def test_attempts_come_back_with_time_and_not_all_at_once() -> None:
    now = 0.0
    attempts = Attempts(3, 60, clock=lambda: now)
    for _ in range(3):
        attempts.take("ada")
    with pytest.raises(AccountError) as raised:
        attempts.take("ada")
    assert raised.value.retry_after == 60
    attempts.take("bob")
    now = 60.0
    attempts.take("ada")
    with pytest.raises(AccountError, match="Try again in 60 s"):
        attempts.take("ada")
    attempts.forget("ada")
    attempts.take("ada")


def test_no_more_names_are_remembered_than_there_is_room_for() -> None:
    attempts = Attempts(1, 1, clock=lambda: 0.0)
    for number in range(KEPT + 1):
        attempts.take(str(number))
    attempts.take("0")  # the oldest was forgotten
    with pytest.raises(AccountError):
        attempts.take(str(KEPT))
