"""Private conversations with the assistant, beside the rooms."""

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.chat.tests.browser.conftest import (
    LIVE_MS,
    Enter,
    Picture,
    is_live,
    link_to,
    lose_and_find,
    problems_of,
    scripted_chat,
    write,
)
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.proxy import CuttableProxy
from apps.chat.tests.browser.test_journey import answers, conversation

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

server = scripted_chat(MODEL_SLOTS="4")


def conversations(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Sidebar").get_by_role("list", name="Conversations")


def begin(page: Page) -> None:
    page.get_by_role("button", name="New conversation with the assistant").click()
    expect(page.get_by_role("heading", name="What would you like to know?")).to_be_visible()


def to_general(page: Page) -> None:
    page.get_by_role("navigation", name="Sidebar").get_by_role("button", name="General").click()
    expect(page.get_by_role("heading", level=1, name="General")).to_be_visible()


def test_a_conversation_is_titled_shows_what_it_does_and_is_seen_by_nobody_else(
    enter: Enter, proxy: CuttableProxy, model: ScriptedEndpoint, picture: Picture
) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    begin(ada)
    assert problems_of(ada, "new-conversation", picture, ((360, 740), (1280, 800))) == []
    ada.set_viewport_size({"width": 1280, "height": 800})
    model.begins("Because of ", then="the light")
    write(ada, "Why is the sky blue and the sun so yellow?")
    expect(answers(ada, "answering").last).to_contain_text("Because of", timeout=LIVE_MS)
    entry = conversations(ada).get_by_role("button", name="Why is the sky blue").first
    expect(entry).to_have_attribute("data-doing", "working")
    to_general(ada)
    expect(entry).to_have_attribute("data-doing", "working")
    sign = entry.locator("[aria-hidden] > span")
    expect(sign).to_have_css("background-color", "rgba(0, 0, 0, 0)")
    picture(ada, "conversation-working")
    lose_and_find(proxy, ada, bob)
    model.goes_on()
    titled = conversations(ada).get_by_role("button", name="Because of the light").first
    expect(titled).to_have_attribute("data-doing", "unread", timeout=LIVE_MS)
    expect(titled.get_by_text("Because of the light")).to_have_css("font-weight", "700")
    expect(titled.locator("[aria-hidden] > span")).not_to_have_css("background-color", "rgba(0, 0, 0, 0)")
    titled.click()
    expect(answers(ada, "completed")).to_contain_text("Because of the light")
    expect(titled).to_have_attribute("data-doing", "done")
    assert problems_of(ada, "conversation", picture, ((360, 740), (1280, 800))) == []
    ada.set_viewport_size({"width": 1280, "height": 800})
    expect(conversations(bob)).to_have_count(0)
    bob.goto(link_to(ada))
    expect(bob.get_by_role("heading", name="This room is private")).to_be_visible(timeout=LIVE_MS)


def test_a_conversation_is_on_every_device_is_renamed_and_deleted(
    enter: Enter, model: ScriptedEndpoint, picture: Picture
) -> None:
    grace, again = enter("Grace"), enter("Grace")
    model.answers("Sky")
    begin(grace)
    write(grace, "What is above?")
    entry = conversations(again).get_by_role("button", name="Sky").first
    expect(entry).to_be_visible(timeout=LIVE_MS)
    conversations(again).get_by_role("listitem").hover()
    again.get_by_role("button", name="Actions for Sky").click()
    picture(again, "conversation-menu")
    again.get_by_role("menuitem", name="Rename").click()
    again.get_by_label("Title").fill("Heavens")
    again.keyboard.press("Enter")
    expect(conversations(grace).get_by_role("button", name="Heavens").first).to_be_visible()
    expect(grace.get_by_role("heading", level=1)).to_contain_text("Heavens")
    conversations(again).get_by_role("listitem").hover()
    again.get_by_role("button", name="Actions for Heavens").click()
    again.get_by_role("menuitem", name="Delete").click()
    again.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for page in (grace, again):
        expect(conversations(page)).to_have_count(0)
    expect(conversation(grace)).to_be_visible()
    is_live(grace)
