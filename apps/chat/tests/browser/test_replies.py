"""Replies with a quote, and reactions, before two people and after a reconnect."""

import pytest
from playwright.sync_api import expect

from apps.chat.tests.browser.conftest import LIVE_MS, Enter, Picture, is_live, is_lost, problems_of, scripted_chat
from apps.chat.tests.browser.test_editing import SMALL_AND_WIDE, delete, row, said
from apps.chat.tests.browser.test_journey import conversation

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

server = scripted_chat()


def test_people_reply_and_react(enter: Enter, picture: Picture) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    said(ada, "Shall we meet at noon?")
    row(bob, "Shall we meet").hover()
    row(bob, "Shall we meet").get_by_role("button", name="Reply", exact=True).click()
    composer = bob.get_by_role("textbox", name="Message", exact=True)
    expect(composer).to_be_focused()
    replying = bob.get_by_role("group", name="Reply")
    expect(replying).to_contain_text("Replying to Ada Shall we meet at noon?")
    composer.press("Escape")
    expect(replying).to_have_count(0)
    row(bob, "Shall we meet").hover()
    row(bob, "Shall we meet").get_by_role("button", name="Reply", exact=True).click()
    problems = problems_of(bob, "replying", picture, SMALL_AND_WIDE[:1])
    bob.set_viewport_size({"width": 1280, "height": 800})
    said(bob, "One would be better")
    for page in (ada, bob):
        quote = row(page, "One would be better").get_by_role("button", name="Replies to Ada")
        expect(quote).to_contain_text("Shall we meet at noon?", timeout=LIVE_MS)
    row(ada, "One would be better").get_by_role("button", name="Replies to Ada").click()
    expect(ada.locator("[data-target]")).to_contain_text("Shall we meet at noon?")

    first = "Shall we meet at noon?"
    target = conversation(bob).locator("article", has_text=first).first
    target.hover()
    target.get_by_role("button", name="React").click()
    expect(bob.get_by_role("dialog", name="Choose an emoji").get_by_role("button")).to_have_count(32)
    picture(bob, "choosing-emoji")
    bob.get_by_role("button", name="party", exact=True).click()
    mine = target.get_by_role("button", name="you reacted with party")
    expect(mine).to_have_attribute("aria-pressed", "true", timeout=LIVE_MS)
    theirs = conversation(ada).locator("article", has_text=first).first
    theirs.get_by_role("button", name="Bob reacted with party").click()
    expect(target.get_by_role("button", name="Ada and you reacted with party")).to_contain_text("2", timeout=LIVE_MS)
    problems += problems_of(bob, "reacted", picture, SMALL_AND_WIDE)
    bob.set_viewport_size({"width": 1280, "height": 800})

    bob.context.set_offline(True)
    is_lost(bob)
    theirs.get_by_role("button", name="Bob and you reacted with party").click()
    expect(theirs.get_by_role("button", name="Bob reacted with party")).to_be_visible(timeout=LIVE_MS)
    bob.context.set_offline(False)
    is_live(bob)
    expect(mine).to_contain_text("1")
    delete(ada, theirs)
    for page in (ada, bob):
        expect(row(page, "One would be better")).to_contain_text("The message was deleted.", timeout=LIVE_MS)
        expect(conversation(page)).not_to_contain_text("Shall we meet")
    bob.reload()
    is_live(bob)
    expect(row(bob, "One would be better")).to_contain_text("The message was deleted.")
    assert problems == []
