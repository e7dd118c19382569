import asyncio
import json
import threading
from http.client import BadStatusLine
from typing import Any

import pytest
from jwt import PyJWTError

from hubline.auth import jwks
from hubline.auth.jwks import KeySet, fetched, usable
from tests.auth.issuer import Issuer, served

ISSUER = Issuer()
URL = "https://issuer.example/keys"


class Address:
    """Stands for the address of keys: counts the fetches, and answers with bytes or an error."""

    def __init__(self, answer: bytes | Exception) -> None:
        self.answer = answer
        self.fetches = 0
        self.time = 1_000.0
        self.open = threading.Event()
        self.open.set()
        self.keys = KeySet(URL, fetch=self.fetch, now=lambda: self.time)

    def fetch(self, url: str) -> bytes:
        assert url == URL
        self.open.wait(30)
        self.fetches += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def settled(keys: KeySet) -> None:
    if keys._running is not None:
        await keys._running


async def test_keys_are_fetched_once_and_kept() -> None:
    address = Address(ISSUER.document)
    for _ in range(3):
        found = await address.keys.find("first")
        assert found is not None
        assert found.key_id == "first"
    assert address.fetches == 1


async def test_those_who_ask_at_the_same_time_share_a_fetch_and_the_loop_goes_on() -> None:
    address = Address(ISSUER.document)
    address.open.clear()
    asking = [asyncio.ensure_future(address.keys.find("first")) for _ in range(50)]
    asking[0].cancel()
    for _ in range(10):
        await asyncio.sleep(0)
    assert not any(each.done() for each in asking[1:])
    address.open.set()
    found = await asyncio.gather(*asking, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(found[1:])
    assert address.fetches == 1


async def test_an_unknown_key_is_looked_for_once_a_minute_for_everybody_together() -> None:
    issuer = Issuer()
    address = Address(issuer.document)
    assert await address.keys.find("first")
    issuer.add_key("second")
    address.answer = issuer.document
    for made_up in ("a", "b", "second"):
        assert await address.keys.find(made_up) is None
    assert address.fetches == 1
    address.time += 59.9
    assert await address.keys.find("second") is None
    address.time += 0.1
    assert await address.keys.find("second")
    assert await address.keys.find("c") is None
    assert address.fetches == 2


async def test_old_keys_serve_while_new_ones_are_fetched() -> None:
    address = Address(ISSUER.document)
    await address.keys.find("first")
    address.time += jwks.LIFESPAN
    address.open.clear()
    assert await address.keys.find("first")
    assert address.fetches == 1
    address.open.set()
    await settled(address.keys)
    assert address.fetches == 2


async def test_an_issuer_that_is_down_is_asked_seldom_and_its_keys_serve_for_a_day(
    caplog: pytest.LogCaptureFixture,
) -> None:
    address = Address(ISSUER.document)
    await address.keys.find("first")
    address.answer = OSError("no route to host")
    address.time += jwks.LIFESPAN
    for _ in range(5):
        assert await address.keys.find("first")
        await settled(address.keys)
    assert address.fetches == 2
    assert caplog.messages == [f"cannot fetch the keys at {URL}: no route to host"]
    address.time += jwks.FAILED_INTERVAL
    await address.keys.find("first")
    await settled(address.keys)
    assert address.fetches == 3
    address.time += jwks.MAXIMUM_AGE
    assert await address.keys.find("first") is None


async def test_an_issuer_that_comes_back_is_heard() -> None:
    address = Address(TimeoutError("no answer"))
    assert await address.keys.find("first") is None
    address.answer = ISSUER.document
    assert await address.keys.find("first") is None
    address.time += jwks.FAILED_INTERVAL
    assert await address.keys.find("first")


def test_only_keys_that_verify_signatures_are_taken() -> None:
    [signing] = json.loads(ISSUER.document)["keys"]
    secret = {"kty": "oct", "kid": "secret", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I"}
    encrypting = {**signing, "kid": "encrypting", "use": "enc"}
    nameless = {name: value for name, value in signing.items() if name != "kid"}
    document = {"keys": [secret, encrypting, signing, {"kty": "new kind"}, "no key"]}
    assert set(usable(json.dumps(document).encode())) == {"first", None}
    assert set(usable(json.dumps({"keys": [nameless, signing]}).encode())) == {"first"}


@pytest.mark.parametrize(
    "document",
    [b"", b"<html>", b"[]", b"{}", b'{"keys":7}', b'{"keys":[]}', b'{"keys":[{"kty":"oct","k":"AA"}]}', b"[" * 10_000],
    ids=lambda document: document[:20].decode(),
)
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises((ValueError, PyJWTError, RecursionError)):
        usable(document)


@pytest.mark.parametrize(
    "answer", [b"[" * 10_000, b'{"keys":[{"kty":"RSA","n":[],"e":7}]}', BadStatusLine("nonsense"), TimeoutError()]
)
async def test_whatever_comes_instead_of_keys_makes_strangers_and_one_line(
    answer: bytes | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    address = Address(answer)
    for _ in range(3):
        assert await address.keys.find("first") is None
    [message] = caplog.messages
    assert message.startswith(f"cannot fetch the keys at {URL}: ")
    assert len(message) < 300
    address.answer = ISSUER.document
    address.time += jwks.FAILED_INTERVAL
    assert await address.keys.find("first")


async def test_nobody_waits_longer_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "WAIT_LIMIT", 0.01)
    address = Address(ISSUER.document)
    address.open.clear()
    try:
        assert await address.keys.find("first") is None
    finally:
        address.open.set()


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://issuer.example/keys", True),
        ("http://localhost:8080/keys", True),
        ("http://127.0.0.1/keys", True),
        ("http://[::1]/keys", True),
        ("http://issuer.example/keys", False),
        ("http://localhost.example/keys", False),
        ("file:///etc/passwd", False),
        ("https:///keys", False),
        ("http://[::1", False),
        ("https://name:password@issuer.example/keys", False),
        ("keys", False),
    ],
)
def test_keys_come_over_lines_that_nobody_else_writes_to(url: str, good: bool) -> None:
    assert (jwks.problem(url) is None) is good


def test_a_document_is_fetched() -> None:
    with served(lambda: [b'{"keys"', b":[]}"]) as url:
        assert fetched(url) == b'{"keys":[]}'


def test_what_is_on_this_machine_is_not_asked_of_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    with served(lambda: [b"{}"]) as url:
        assert fetched(url) == b"{}"


def test_an_address_where_nobody_listens_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(OSError, match="refused"):
        fetched("https://127.0.0.1:1/keys")


def test_a_document_that_is_too_large_is_not_read_to_its_end() -> None:
    with (
        served(lambda: [b"x" * jwks.SIZE_LIMIT, b"x"]) as url,
        pytest.raises(ValueError, match=r"larger than 262,144 bytes"),
    ):
        fetched(url)


def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "TIME_LIMIT", 0.001)
    ended = threading.Event()

    def drips() -> Any:
        while not ended.is_set():
            yield b" " * 1_000

    with served(drips) as url:
        try:
            with pytest.raises(OSError):
                fetched(url)
        finally:
            ended.set()


def test_an_answer_that_is_no_success_is_an_error() -> None:
    with served(lambda: [b"{}"], status=500) as url, pytest.raises(OSError):
        fetched(url)


def test_a_redirect_leads_only_where_keys_may_come_from() -> None:
    with served(lambda: [b"good"]) as good, served(lambda: [], status=302, location=good) as url:
        assert fetched(url) == b"good"
    with (
        served(lambda: [], status=302, location="http://issuer.example/") as url,
        pytest.raises(ValueError, match="must be an https address"),
    ):
        fetched(url)
