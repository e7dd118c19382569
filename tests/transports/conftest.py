"""Sites that are closed after the test, with a check that they leave no task behind."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.transports.driver import Site


class Sites:
    """Makes sites with settings of a test's own."""

    def __init__(self) -> None:
        self.made: list[Site] = []

    def __call__(self, *arguments: Any, **settings: Any) -> Site:
        site = Site(*arguments, **settings)
        self.made.append(site)
        return site


@pytest.fixture
async def sites() -> AsyncIterator[Sites]:
    sites = Sites()
    yield sites
    for site in sites.made:
        await site.close()
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    assert not left, "tasks outlive the endpoint"


@pytest.fixture
def site(sites: Sites) -> Site:
    """An echo endpoint with the default settings."""
    return sites()
