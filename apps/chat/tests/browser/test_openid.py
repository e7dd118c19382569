"""Signing in by a provider, there and back, in a real browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from apps.chat.tests.accounts.provider import Provider
from apps.chat.tests.browser.conftest import Enter, Picture, is_live, open_account_menu, problems_of
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.program import Program, running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as started:
        yield started


@pytest.fixture(scope="module")
def server(model: ScriptedEndpoint, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    settings = {f"OPENID_{name.upper()}": value for name, value in provider.settings.items()}
    with running(tmp_path_factory.mktemp("chat"), MODEL_URL=model.url, MODEL="small", **settings) as program:
        yield program


def test_somebody_comes_in_by_the_provider_after_having_thought_twice(
    enter: Enter, provider: Provider, picture: Picture
) -> None:
    provider.asks = True
    page = enter.stranger()
    page.goto(f"{enter.url}#/room/off-topic")
    problems = problems_of(page, "entrance-provider", picture, ((360, 740), (1280, 800)))
    page.get_by_role("link", name="Sign in with Example").click()
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_text("You did not sign in. You can try again.")).to_be_visible()
    problems += problems_of(page, "entrance-refused", picture, ((360, 740), (1280, 800)))
    page.reload()
    expect(page.get_by_role("link", name="Sign in with Example")).to_be_visible()
    expect(page.get_by_text("You did not sign in.")).to_have_count(0)
    page.get_by_role("link", name="Sign in with Example").click()
    page.get_by_role("link", name="Continue").click()
    is_live(page)
    expect(page.get_by_role("heading", level=1, name="Off topic")).to_be_visible()
    open_account_menu(page)
    expect(page.get_by_role("button", name="Account: Grace Hopper")).to_be_visible()
    expect(page.get_by_role("button", name="Change password")).to_have_count(0)
    assert problems == []
