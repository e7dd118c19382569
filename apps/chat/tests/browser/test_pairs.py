"""Conversations of two people: begun from a person's menu, with badges, and without guests who are gone."""

import re

import pytest
from playwright.sync_api import Page, expect

from apps.chat.tests.browser.conftest import (
    LIVE_MS,
    Enter,
    Picture,
    is_live,
    is_lost,
    open_account_menu,
    problems_of,
    scripted_chat,
    write,
)
from apps.chat.tests.browser.test_conversations import conversations
from apps.chat.tests.browser.test_editing import SMALL_AND_WIDE, act, row, said
from apps.chat.tests.browser.test_journey import conversation

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

server = scripted_chat(GUESTS="true")


def talks_to(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_contain_text(name, timeout=LIVE_MS)


def test_two_people_talk_aside(enter: Enter, picture: Picture) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    ada.get_by_role("button", name="Who is here").click()
    ada.get_by_role("button", name="Actions for Bob").click()
    picture(ada, "person-menu")
    ada.get_by_role("menuitem", name="Message Bob").click()
    talks_to(ada, "Bob")
    zone = ada.get_by_role("complementary", name="Room details")
    expect(zone.get_by_role("list", name="Members").get_by_role("listitem")).to_have_text(
        [re.compile("Ada"), re.compile("Bob")]
    )
    expect(zone.get_by_text("Here now")).to_have_count(0)
    ada.get_by_role("button", name="Close the details").click()
    picture(ada, "pair-empty")
    expect(conversations(bob)).to_have_count(0)
    write(ada, "Between us")
    entry = conversations(bob).get_by_role("button", name="Ada")
    expect(entry).to_contain_text("1 unread", timeout=LIVE_MS)
    expect(entry).to_contain_text("online")
    picture(bob, "pair-badge")
    entry.click()
    expect(row(bob, "Between us")).to_be_visible(timeout=LIVE_MS)
    expect(entry).not_to_contain_text("unread")
    said(bob, "Only us")
    expect(row(ada, "Only us")).to_be_visible(timeout=LIVE_MS)
    problems = problems_of(bob, "pair", picture, SMALL_AND_WIDE)
    bob.set_viewport_size({"width": 1280, "height": 800})

    bob.get_by_role("navigation", name="Sidebar").get_by_role("button", name="General").click()
    bob.context.set_offline(True)
    is_lost(bob)
    said(ada, "While you were away")
    bob.context.set_offline(False)
    is_live(bob)
    expect(entry).to_contain_text("1 unread", timeout=LIVE_MS)

    guest = enter.stranger()
    guest.get_by_label("Your name").fill("Gus")
    guest.get_by_role("button", name="Come in as a guest").click()
    is_live(guest)
    said(guest, "I am new here")
    act(bob, row(bob, "I am new here"), "Message Gus")
    talks_to(bob, "Gus")
    write(bob, "Welcome")
    expect(conversations(guest).get_by_role("button", name="Bob")).to_contain_text("unread", timeout=LIVE_MS)
    open_account_menu(guest)
    guest.get_by_role("button", name="Sign out").click()
    expect(bob.get_by_text("Gus is gone: what was said can be read.")).to_be_visible(timeout=LIVE_MS)
    expect(conversation(bob)).to_contain_text("Welcome")
    picture(bob, "pair-gone")
    assert problems == []
