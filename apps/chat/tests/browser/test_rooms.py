"""Rooms are changed, archived and deleted by whoever made them, and it is shown what becomes of messages."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.chat.tests.browser.conftest import (
    LIVE_MS,
    Enter,
    Picture,
    is_live,
    is_lost,
    link_to,
    problems_of,
    scripted_chat,
    write,
)
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.test_journey import answers, conversation

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SMALL_AND_WIDE = ((360, 740), (1280, 800))
FREE_TOKENS = 200

server = scripted_chat(FREE_TOKENS=str(FREE_TOKENS), SYSTEM_PROMPT="Be brief.")


def sidebar(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Sidebar")


def titled(page: Page, name: str) -> None:
    """The room with this name is shown."""
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible(timeout=LIVE_MS)


def make_room(page: Page, name: str) -> None:
    page.get_by_role("button", name="New room").click()
    page.get_by_label("Name of the room").fill(name)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)  # while it is there the keyboard is its
    titled(page, name)


def go(page: Page, name: str) -> None:
    sidebar(page).get_by_role("button").filter(has_text=name).click()
    titled(page, name)


def details(page: Page) -> Locator:
    zone = page.get_by_role("complementary", name="Room details")
    if not zone.is_visible():
        page.get_by_role("button", name="Who is here").click()
    return zone


def test_the_owner_renames_limits_archives_and_deletes_a_room_before_everybody(enter: Enter, picture: Picture) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    make_room(ada, "Plans")
    write(ada, "The first plan")
    go(bob, "Plans")
    expect(conversation(bob)).to_contain_text("The first plan")
    expect(details(bob)).to_contain_text("Messages are kept for good.")
    expect(details(bob)).to_contain_text("Its owner and administrators can change, archive and delete it.")
    expect(details(bob).get_by_role("listitem").filter(has_text="Ada")).to_contain_text("owner")
    expect(details(bob).get_by_role("button", name="Change the settings")).to_have_count(0)

    details(ada).get_by_role("button", name="Change the settings").click()
    settings = ada.get_by_role("dialog", name="Room settings")
    settings.get_by_label("Name of the room").fill("General")
    settings.get_by_label("Topic").fill("What we will do")
    settings.get_by_label("Delete messages").select_option("after 30 days")
    expect(settings).to_contain_text("What is older now goes within ten minutes")
    settings.get_by_role("button", name="Save").click()
    expect(settings).to_contain_text("There is a room called General already.")
    problems = problems_of(ada, "room-settings", picture, SMALL_AND_WIDE)
    settings.get_by_label("Name of the room").fill("Big plans")
    settings.get_by_role("button", name="Save").click()
    for page in (ada, bob):
        titled(page, "Big plans")
        expect(page.get_by_role("main")).to_contain_text("What we will do")
    expect(details(bob)).to_contain_text("Messages are deleted after 30 days.")

    bob.get_by_role("textbox", name="Message").fill("Half a thought")
    details(ada).get_by_role("button", name="Archive…").click()
    ada.get_by_role("dialog").get_by_role("button", name="Archive", exact=True).click()
    for page in (ada, bob):
        expect(page.get_by_text("This room is archived: it can be read")).to_be_visible(timeout=LIVE_MS)
        expect(page.get_by_role("textbox", name="Message")).to_have_count(0)
        expect(conversation(page)).to_contain_text("The first plan")
        expect(sidebar(page).get_by_role("list", name="Archived rooms")).to_contain_text("Big plans")
    expect(bob.get_by_role("button", name="Open again")).to_have_count(0)
    bob.reload()
    is_live(bob)
    expect(bob.get_by_text("This room is archived: it can be read")).to_be_visible()
    problems += problems_of(ada, "room-archived", picture, SMALL_AND_WIDE)
    ada.get_by_role("main").get_by_role("button", name="Open again").click()
    expect(bob.get_by_role("textbox", name="Message")).to_have_value("Half a thought", timeout=LIVE_MS)

    details(ada).get_by_role("button", name="Delete…").click()
    picture(ada, "room-delete")
    ada.get_by_role("button", name="Delete room").click()
    expect(bob.get_by_role("alert")).to_contain_text("Ada has deleted Big plans.")  # it goes by itself
    for page in (ada, bob):
        titled(page, "General")
        expect(sidebar(page)).not_to_contain_text("Big plans")
    assert problems == []


def test_a_room_named_by_one_long_word_fits_a_phone(enter: Enter) -> None:
    name = "W" * 40
    ada, bob = enter("Ada"), enter("Bob", viewport={"width": 360, "height": 740})
    make_room(ada, name)
    bob.goto(link_to(ada))
    titled(bob, name)
    quiet = bob.get_by_role("heading", name=f"{name} is quiet").bounding_box()
    assert quiet is not None
    assert quiet["x"] + quiet["width"] <= 360
    details(ada).get_by_role("button", name="Delete…").click()
    ada.get_by_role("button", name="Delete room").click()
    told = bob.get_by_role("alert")
    expect(told).to_contain_text(f"Ada has deleted {name}.", timeout=LIVE_MS)
    close = told.get_by_role("button").bounding_box()
    assert close is not None
    assert close["x"] + close["width"] <= 360


def test_what_happens_to_a_room_while_one_is_away_is_there_when_one_is_back(enter: Enter) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    make_room(ada, "Notes")
    go(bob, "Notes")
    bob.context.set_offline(True)
    is_lost(bob)
    details(ada).get_by_role("button", name="Archive…").click()
    ada.get_by_role("dialog").get_by_role("button", name="Archive", exact=True).click()
    expect(ada.get_by_text("This room is archived: it can be read")).to_be_visible()
    write(bob, "Written offline")
    bob.context.set_offline(False)
    is_live(bob)
    expect(bob.get_by_text("This room is archived: it can be read")).to_be_visible()
    expect(conversation(bob)).to_contain_text("Not sent: Notes is archived")


def test_people_see_whether_they_ask_before_they_send_and_are_heard_without_tokens(
    enter: Enter, model: ScriptedEndpoint, picture: Picture
) -> None:
    model.answers(*["The line stays open. "] * 60)
    ada, bob = enter("Ada"), enter("Bob")
    chip = ada.locator("button[aria-pressed]", has_text="Ask")
    text = ada.get_by_role("textbox", name="Message")
    expect(chip).to_have_attribute("aria-pressed", "false")
    text.fill("What does `@ai` do?")
    expect(chip).to_have_attribute("aria-pressed", "false")
    text.fill("Tell us, @ai, what is it?")
    expect(chip).to_have_attribute("aria-pressed", "true")
    expect(chip).to_have_text("Asks the assistant")
    text.fill("")
    go(ada, "Ask the assistant")
    go(bob, "Ask the assistant")
    expect(chip).to_have_attribute("aria-pressed", "true")
    problems = problems_of(ada, "asks", picture, SMALL_AND_WIDE)
    ada.set_viewport_size({"width": 1280, "height": 800})
    write(ada, "Tell me everything")
    expect(answers(bob, "limited").last).to_be_visible(timeout=LIVE_MS)

    expect(ada.get_by_text(re.compile("until then your messages are posted without an answer"))).to_be_visible()
    problems += problems_of(ada, "asks-without-tokens", picture, SMALL_AND_WIDE)
    ada.set_viewport_size({"width": 1280, "height": 800})
    write(ada, "Just a remark")
    told = ada.get_by_role("alert")  # it goes by itself
    expect(told).to_contain_text("Your message was posted, and is not answered")
    expect(conversation(bob)).to_contain_text("Just a remark", timeout=LIVE_MS)
    expect(answers(ada)).to_have_count(1)
    assert problems == []
