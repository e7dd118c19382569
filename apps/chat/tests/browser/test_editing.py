"""Messages are edited and deleted before everybody, and answers made anew, with versions to leaf through."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.chat.tests.browser.conftest import (
    LIVE_MS,
    Enter,
    Picture,
    is_live,
    is_lost,
    problems_of,
    scripted_chat,
    sign_in,
    write,
)
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.program import Program
from apps.chat.tests.browser.test_journey import answers, conversation, shown_text

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SMALL_AND_WIDE = ((360, 740), (1280, 800))

server = scripted_chat(FREE_TOKENS="unlimited")


def row(page: Page, text: str) -> Locator:
    return conversation(page).locator("article", has_text=text).last


def said(page: Page, text: str) -> None:
    write(page, text)
    expect(conversation(page).locator("[data-message]", has_text=text)).to_be_visible(timeout=LIVE_MS)


def act(page: Page, message: Locator, action: str) -> None:
    """Choose an action in the menu of a message."""
    message.hover()
    message.get_by_role("button", name="Message actions").click()
    page.get_by_role("menuitem", name=action).click()


def delete(page: Page, message: Locator) -> None:
    act(page, message, "Delete")
    page.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()


def test_messages_are_edited_and_deleted_before_everybody(enter: Enter, server: Program, picture: Picture) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    said(ada, "A frist message")
    expect(row(bob, "A frist message")).to_be_visible(timeout=LIVE_MS)
    act(ada, row(ada, "A frist message"), "Edit")
    text = ada.get_by_role("textbox", name="Edit the message")
    expect(text).to_be_focused()
    problems = problems_of(ada, "editing", picture, SMALL_AND_WIDE)
    ada.set_viewport_size({"width": 1280, "height": 800})
    text.fill("A first message")
    text.press("Enter")
    for page in (ada, bob):
        expect(row(page, "A first message")).to_contain_text("edited", timeout=LIVE_MS)
        expect(conversation(page)).not_to_contain_text("frist")
    composer = ada.get_by_role("textbox", name="Message", exact=True)
    composer.press("ArrowUp")
    expect(text).to_have_value("A first message")
    text.fill("Never saved")
    text.press("Escape")
    expect(row(ada, "A first message")).to_be_visible()
    expect(composer).to_be_focused()

    said(bob, "Something rude")
    row(ada, "Something rude").hover()
    row(ada, "Something rude").get_by_role("button", name="Message actions").click()
    expect(ada.get_by_role("menuitem", name="Copy link")).to_be_visible()
    expect(ada.get_by_role("menuitem", name="Delete")).to_have_count(0)
    ada.keyboard.press("Escape")
    admin = enter.stranger()
    sign_in(admin, "admin", server.password)
    is_live(admin)
    delete(admin, row(admin, "Something rude"))
    delete(ada, row(ada, "A first message"))
    for page in (ada, bob, admin):
        expect(conversation(page).get_by_text("This message was deleted.")).to_have_count(2, timeout=LIVE_MS)
        expect(conversation(page)).not_to_contain_text("rude")
    problems += problems_of(bob, "deleted", picture, SMALL_AND_WIDE)
    bob.reload()
    is_live(bob)
    expect(conversation(bob).get_by_text("This message was deleted.")).to_have_count(2)
    assert problems == []


def test_an_answer_is_made_anew_and_its_versions_are_leafed_through(
    enter: Enter, model: ScriptedEndpoint, picture: Picture
) -> None:
    model.answers("The first answer.")
    ada, bob = enter("Ada"), enter("Bob")
    write(ada, "@ai Wy is it so?")
    for page in (ada, bob):
        expect(answers(page, "completed").last).to_contain_text("The first answer.", timeout=LIVE_MS)
    count = answers(ada).count()
    said(bob, "Said meanwhile")
    model.begins("The second", then=" answer.")
    answers(bob).last.get_by_role("button", name="Try again").click()
    for page in (ada, bob):
        expect(answers(page, "answering").last).to_contain_text("The second", timeout=LIVE_MS)
        expect(answers(page).last).to_contain_text("2/2")
    model.goes_on()
    for page in (ada, bob):
        expect(answers(page, "completed").last).to_contain_text("The second answer.", timeout=LIVE_MS)
        expect(answers(page)).to_have_count(count)

    answers(bob).last.get_by_role("button", name="Earlier version").click()
    expect(answers(bob).last).to_contain_text("The first answer.", timeout=LIVE_MS)
    expect(answers(bob).last).to_contain_text("1/2")
    expect(answers(ada).last).to_contain_text("The second answer.")
    problems = problems_of(bob, "earlier-version", picture, SMALL_AND_WIDE)
    bob.set_viewport_size({"width": 1280, "height": 800})

    model.answers("The third answer.")
    act(ada, row(ada, "Wy is it so?"), "Edit")
    ada.get_by_role("textbox", name="Edit the message").fill("@ai Why is it so?")
    problems += problems_of(ada, "ask-again", picture, SMALL_AND_WIDE)
    ada.set_viewport_size({"width": 1280, "height": 800})
    ada.get_by_role("button", name="Save and ask again").click()
    for page in (ada, bob):
        expect(answers(page, "completed").last).to_contain_text("The third answer.", timeout=LIVE_MS)
        expect(answers(page).last).to_contain_text("3/3")
        expect(row(page, "Why is it so?")).to_contain_text("edited")
        expect(answers(page)).to_have_count(count)
    assert model.asked[-1][-1]["content"].endswith("Why is it so?")

    answers(ada).last.get_by_role("button", name="Earlier version").click()
    answers(ada).last.get_by_role("button", name="Earlier version").click()
    expect(answers(ada).last).to_contain_text("The first answer.")
    ada.reload()
    is_live(ada)
    assert shown_text(answers(ada).last) == "The third answer."
    expect(answers(ada).last).to_contain_text(re.compile("3/3"))
    assert problems == []


def test_what_is_changed_while_one_is_away_is_there_when_one_is_back(enter: Enter) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    for text in ("To be edited", "To be deleted"):
        said(ada, text)
    expect(row(bob, "To be deleted")).to_be_visible(timeout=LIVE_MS)
    gone = conversation(bob).get_by_text("This message was deleted.").count()
    bob.context.set_offline(True)
    is_lost(bob)
    act(ada, row(ada, "To be edited"), "Edit")
    ada.get_by_role("textbox", name="Edit the message").fill("Has been changed")
    ada.get_by_role("button", name="Save", exact=True).click()
    expect(row(ada, "Has been changed")).to_contain_text("edited", timeout=LIVE_MS)
    delete(ada, row(ada, "To be deleted"))
    expect(conversation(ada)).not_to_contain_text("To be deleted", timeout=LIVE_MS)
    bob.context.set_offline(False)
    is_live(bob)
    expect(row(bob, "Has been changed")).to_be_visible()
    expect(conversation(bob).get_by_text("This message was deleted.")).to_have_count(gone + 1)
    expect(conversation(bob)).not_to_contain_text("To be edited")
