"""The public keys of an issuer of tokens, by its JWKS address: fetched off the event loop, cached, seldom requested."""

import asyncio
import ipaddress
import json
import logging
import time
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from jwt import PyJWK, PyJWKSet

from hubline._tasks import TaskOwner

logger = logging.getLogger("hubline.auth")

LIFESPAN = 600.0
"""Seconds until keys are fetched again. Ours; issuers publish new keys days before they use them."""

MAXIMUM_AGE = 86_400.0
"""Seconds for which old keys are used if the issuer cannot be reached. Ours."""

UNKNOWN_INTERVAL = 60.0
"""Seconds between two fetches for unknown key ids, which anybody can invent."""

FAILED_INTERVAL = 10.0
"""Seconds between two fetches if the issuer does not answer."""

TIME_LIMIT = 5.0
"""Seconds that one fetch may take."""

WAIT_LIMIT = TIME_LIMIT + 1.0
"""Seconds that requests wait for a fetch. Longer than a fetch, because the thread of a fetch needs time to end."""

SIZE_LIMIT = 262_144
"""Bytes of a key set; those of large issuers have 20 KB."""


class KeySet:
    """The keys of one JWKS address, by id. Requests that need a fetch at the same time share it."""

    def __init__(
        self,
        url: str,
        *,
        fetch: Callable[[str], bytes] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch` runs in a worker thread. Tests replace `fetch` and `now`."""
        self._url, self._fetch, self._now = url, fetch or fetched, now
        self._keys: dict[str | None, PyJWK] = {}
        self._fetched = self._tried = float("-inf")
        self._failed = False
        self._tasks = TaskOwner("hubline.auth")
        self._running: asyncio.Task[None] | None = None

    async def find(self, key_id: str | None) -> PyJWK | None:
        """The key with this id, or without an id the only key. None if there is no such key or no answer."""
        age = self._now() - self._fetched
        if key_id in self._keys and age < MAXIMUM_AGE:
            if age >= LIFESPAN:
                self._refresh()  # the old keys are used in the meantime
            return self._keys[key_id]
        if (running := self._refresh()) is not None:
            await asyncio.shield(running)
        return self._keys.get(key_id) if self._now() - self._fetched < MAXIMUM_AGE else None

    def _refresh(self) -> asyncio.Task[None] | None:
        """Start a fetch, or join the one that is running. None if it is too early for another fetch."""
        if self._running is None or self._running.done():
            interval = FAILED_INTERVAL if self._failed else UNKNOWN_INTERVAL
            if self._now() - self._tried < interval:
                return None
            self._tried = self._now()
            self._running = self._tasks.start(self._load())
        return self._running

    async def _load(self) -> None:
        try:
            async with asyncio.timeout(WAIT_LIMIT):
                keys = await asyncio.to_thread(lambda: usable(self._fetch(self._url)))
        except Exception as error:  # of network, issuer, and parsers of malformed answers
            self._failed = True
            logger.warning("cannot fetch the keys at %s: %s", self._url, str(error)[:200] or type(error).__name__)
            return
        self._keys, self._fetched, self._failed = keys, self._now(), False


def usable(document: bytes) -> dict[str | None, PyJWK]:
    """The keys of a key set that can verify signatures, by id. Shared secrets (`oct`) are left out.

    Raises:
        ValueError, PyJWTError, RecursionError: it is not a key set, or has no usable key.
    """
    data = json.loads(document)
    if not isinstance(data, dict) or not isinstance(data.get("keys"), list):
        raise ValueError("the document is not a key set")
    listed = [each for each in data["keys"] if isinstance(each, dict) and each.get("kty") != "oct"]
    found = [key for key in PyJWKSet(listed).keys if key.public_key_use in (None, "sig")]
    keys: dict[str | None, PyJWK] = {key.key_id: key for key in found}
    if len(found) == 1:
        keys[None] = found[0]
    else:
        keys.pop(None, None)
    return keys


def problem(url: Any) -> str | None:
    """The mistakes in a JWKS address. It must be https, because others could change keys that are sent without TLS."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        if "@" in parts.netloc:
            return "jwks_url must not hold a name or a password, because it is told in the log"
        if parts.scheme == "https" and parts.hostname:
            return None
        if parts.scheme == "http" and _is_loopback(parts.hostname or ""):
            return None
    except ValueError:
        pass
    return f"jwks_url must be an https address (http only on this machine), got {url!r}"


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _SameRules(urllib.request.HTTPRedirectHandler):
    """Follows redirects only to addresses that would be allowed as `jwks_url`."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if (found := problem(newurl)) is not None:
            raise ValueError(found)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def fetched(url: str) -> bytes:
    """Fetch the document at `url`. Blocks, so call it in a worker thread.

    Raises:
        OSError, ValueError: no answer in time, an error status, or more than `SIZE_LIMIT` bytes.
    """
    deadline = time.monotonic() + TIME_LIMIT
    handlers: list[urllib.request.BaseHandler] = [_SameRules()]
    if url.startswith("http:"):
        handlers.append(urllib.request.ProxyHandler({}))  # an address on this machine is not requested through a proxy
    opener = urllib.request.build_opener(*handlers)
    request = urllib.request.Request(url, headers={"accept": "application/json", "user-agent": "hubline"})
    with opener.open(request, timeout=TIME_LIMIT) as response:
        document = b""
        while piece := response.read1(65_536):
            document += piece
            if len(document) > SIZE_LIMIT:
                raise ValueError(f"the document is larger than {SIZE_LIMIT:,} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError(f"no answer within {TIME_LIMIT:g} s")
        return document
