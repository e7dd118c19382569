"""The storages of tests that hold for every log that servers share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from tests.runs.storages import KINDS, Storage
from tests.valkey import Valkey, valkey


@pytest.fixture(scope="module")
def shared_valkey() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@pytest.fixture(params=KINDS)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty storage of each kind."""
    if request.param == "sqlite":
        return Storage(f"sqlite:{tmp_path / 'runs.sqlite'}")
    if request.param == "postgres":
        return Storage(request.getfixturevalue("postgres_url"))
    url: str = request.getfixturevalue("shared_valkey").url
    with Redis.from_url(url) as redis:
        redis.flushall()
    return Storage(url)
