"""The administrator of the first start."""

from pathlib import Path

import pytest

from apps.chat.tests.harness import QUICK, chat, settings
from hubline import ConfigurationError
from hubline_chat.accounts import administrator
from hubline_chat.accounts.passwords import Passwords
from hubline_chat.store import Store


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administrator, "Passwords", lambda: Passwords(QUICK))


async def test_one_is_made_once_and_can_sign_in(tmp_path: Path) -> None:
    made = await administrator.prepare(settings(tmp_path, admin_name="Root"))
    assert made is not None
    assert (made.name, len(made.password)) == ("Root", 16)
    assert await administrator.prepare(settings(tmp_path, admin_name="Other")) is None
    async with chat(data=tmp_path) as under_test:
        user = await under_test.browser().user("sign-in", name="root", password=made.password)
        assert (user["role"], user["tier"]) == ("admin", "premium")


async def test_a_lost_password_is_replaced_and_its_sessions_end(tmp_path: Path) -> None:
    first = await administrator.prepare(settings(tmp_path))
    assert first is not None
    async with chat(data=tmp_path) as under_test:
        browser = under_test.browser()
        await browser.user("sign-in", name="admin", password=first.password)
        second = await administrator.reset(settings(tmp_path, admin_name="ignored"))
        assert second.name == "admin"
        assert (await browser.post("token")).status_code == 401
        assert (await browser.post("sign-in", name="admin", password=first.password)).status_code == 401
        assert (await browser.user("sign-in", name="admin", password=second.password))["role"] == "admin"


async def test_in_an_empty_database_a_reset_makes_one(tmp_path: Path) -> None:
    made = await administrator.reset(settings(tmp_path))
    assert made.name == "admin"
    assert await administrator.prepare(settings(tmp_path)) is None


async def test_a_name_of_somebody_else_is_not_taken_away(tmp_path: Path) -> None:
    store = Store(settings(tmp_path).database_url)
    await store.open()
    await store.users.add("admin", "member", "free", "hash")
    await store.close()
    with pytest.raises(ConfigurationError, match="HUBLINE_CHAT_ADMIN_NAME is admin, and a user with this name"):
        await administrator.prepare(settings(tmp_path))
