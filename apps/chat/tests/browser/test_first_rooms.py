"""The rooms that every chat begins with, in the languages of their readers."""

import re

import pytest
from playwright.sync_api import Page, expect

from apps.chat.tests.browser.conftest import LIVE_MS, Enter, Picture, problems_of, scripted_chat, write
from apps.chat.tests.browser.program import Program
from apps.chat.tests.browser.test_languages import Texts

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

server = scripted_chat()


def rooms_of(page: Page, title: str) -> list[str]:
    """The names in the sidebar."""
    names = page.get_by_role("list", name=title, exact=True).get_by_role("button")
    expect(names.first).to_be_visible(timeout=LIVE_MS)
    return sorted(name.inner_text().splitlines()[1] for name in names.all())


def test_the_first_rooms_speak_the_readers_language_until_somebody_renames_them(
    server: Program, enter: Enter, picture: Picture
) -> None:
    german, ada = Texts("de"), enter("Ada")
    page = enter.stranger(locale="de-DE")
    sign_in_german(page, german, server.password)
    assert rooms_of(page, german("Rooms")) == sorted(
        german(each) for each in ("General", "Ask the assistant", "Off topic")
    )
    expect(page.get_by_role("heading", level=1)).to_contain_text("Allgemein")
    expect(page.locator("main header")).to_contain_text("Alles, was keinen eigenen Raum hat")
    expect(page).to_have_title(re.compile("Allgemein"))
    expect(page).to_have_url(re.compile("#/room/general$"))
    assert rooms_of(ada, "Rooms") == ["Ask the assistant", "General", "Off topic"]
    write(ada, "Good morning")
    expect(page.get_by_role("log")).to_contain_text("Good morning")
    assert problems_of(page, "de-first-rooms", picture, ((360, 740), (1280, 800))) == []
    page.set_viewport_size({"width": 1280, "height": 800})

    # A new topic leaves the name as it is, for everybody; a new name is everybody's.
    page.get_by_role("button", name=german("Who is here")).click()
    change(page, german, german("Topic"), "Guten Morgen")
    expect(ada.locator("main header")).to_contain_text("Guten Morgen", timeout=LIVE_MS)
    expect(ada.get_by_role("heading", level=1)).to_contain_text("General")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Allgemein")
    change(page, german, german("Name of the room"), "Lobby")
    for each in (page, ada):
        expect(each.get_by_role("heading", level=1)).to_contain_text("Lobby", timeout=LIVE_MS)
        expect(each).to_have_url(re.compile("#/room/general$"))


def sign_in_german(page: Page, german: Texts, password: str) -> None:
    page.get_by_label(german("Your name")).fill("admin")
    page.get_by_label(german("Password"), exact=True).fill(password)
    page.get_by_role("button", name=german("Sign in"), exact=True).click()
    expect(page.get_by_role("status", name=german("Connection"))).to_contain_text(german("Live"), timeout=LIVE_MS)


def change(page: Page, german: Texts, label: str, text: str) -> None:
    page.get_by_role("button", name=german("Change the settings…")).click()
    settings = page.get_by_role("dialog", name=german("Room settings"))
    settings.get_by_label(label).fill(text)
    settings.get_by_role("button", name=german("Save"), exact=True).click()
    expect(settings).to_have_count(0)
