"""The servers of these tests: one for the tests of a module."""

from collections.abc import Iterator

import pytest

from tests.valkey import Valkey, valkey
from tests.valkey_cluster import Cluster, valkey_cluster


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with valkey_cluster() as formed:
        yield formed
