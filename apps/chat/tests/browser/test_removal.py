"""Accounts are shut and removed before the eyes of the others, and rooms are downloaded."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.chat.tests.browser.conftest import (
    PASSWORD,
    Enter,
    Picture,
    is_live,
    open_account_menu,
    problems_of,
    scripted_chat,
    sign_in,
    write,
)
from apps.chat.tests.browser.program import Program
from apps.chat.tests.browser.test_journey import conversation
from apps.chat.tests.browser.test_rooms import details

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SMALL_AND_WIDE = ((360, 740), (1280, 800))

server = scripted_chat()


def row(page: Page, name: str) -> Locator:
    people = page.get_by_role("dialog", name="People").get_by_role("listitem")
    return people.filter(has=page.get_by_label(f"Role of {name}"))


def test_accounts_are_shut_and_removed_and_rooms_are_downloaded(
    enter: Enter, server: Program, picture: Picture
) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    write(ada, "From Ada")
    write(bob, "From Bob")
    expect(conversation(ada)).to_contain_text("From Bob")
    zone = details(ada)
    for link, begin in (("Markdown", "# General"), ("JSON", '{"room": {"id": "general"')):
        with ada.expect_download() as started:
            zone.get_by_role("link", name=link).click()
        text = Path(started.value.path()).read_text("utf-8")
        assert text.startswith(begin)
        assert "From Ada" in text
        assert "From Bob" in text
    problems = problems_of(ada, "export", picture, SMALL_AND_WIDE)

    root = enter.stranger()
    sign_in(root, "admin", server.password)
    is_live(root)
    open_account_menu(root)
    root.get_by_role("button", name="People", exact=True).click()
    row(root, "Bob").get_by_role("button", name="Disable Bob").click()
    expect(row(root, "Bob")).to_contain_text("Bob is signed out, and cannot sign in.")
    expect(bob.get_by_text("Your session has ended. Sign in again.")).to_be_visible()
    sign_in(bob, "Bob", PASSWORD)
    expect(bob.get_by_role("alert")).to_have_text("This account is disabled. Ask an administrator.")
    row(root, "Bob").get_by_role("button", name="Remove…").click()
    problems += problems_of(root, "people-removal", picture, SMALL_AND_WIDE)
    row(root, "Bob").get_by_role("radio", name="Delete them").check()
    row(root, "Bob").get_by_role("button", name="Remove Bob").click()
    expect(root.get_by_text("Bob is removed.")).to_be_visible()
    expect(conversation(ada)).not_to_contain_text("From Bob")
    expect(conversation(ada)).to_contain_text("This message was deleted.")
    root.keyboard.press("Escape")

    ada.set_viewport_size({"width": 1280, "height": 800})
    open_account_menu(ada)
    ada.get_by_role("button", name="Remove account").click()
    dialog = ada.get_by_role("dialog", name="Remove your account")
    dialog.get_by_label("Your password", exact=True).fill("wrong")
    dialog.get_by_role("button", name="Remove my account").click()
    expect(dialog).to_contain_text("The password is wrong.")
    problems += problems_of(ada, "remove-account", picture, SMALL_AND_WIDE)
    dialog.get_by_label("Your password", exact=True).fill(PASSWORD)
    dialog.get_by_role("button", name="Remove my account").click()
    expect(ada.get_by_text("Your account is removed.")).to_be_visible()
    expect(conversation(root)).to_contain_text("From Ada")
    expect(conversation(root)).to_contain_text("Removed person")
    expect(conversation(root).get_by_text("Ada", exact=True)).to_have_count(0)
    assert problems == []
