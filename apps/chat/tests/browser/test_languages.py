"""The page in the languages beside English: it takes the browser's, or the one that its reader chooses."""

import json
import re

import pytest
from playwright.sync_api import expect

from apps.chat.tests.browser.conftest import LIVE_MS, PASSWORD, Enter, Picture, is_live, problems_of, scripted_chat
from apps.chat.tests.browser.program import ROOT
from apps.chat.tests.browser.test_rooms import SMALL_AND_WIDE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

server = scripted_chat()

ENTRY = re.compile(r'^  (?:(\w+)|("(?:[^"\\]|\\.)*")): ("(?:[^"\\]|\\.)*"),$', re.M)


class Texts:
    """A catalogue of the page: what an English text is in a language."""

    def __init__(self, language: str) -> None:
        parts = (ROOT / "apps/chat/web/src/language" / language).glob("*.ts")
        table = "\n".join(part.read_text("utf-8") for part in parts)
        entries = ENTRY.findall(table)
        self._texts: dict[str, str] = {name or json.loads(key): json.loads(text) for name, key, text in entries}

    def __call__(self, text: str) -> str:
        return self._texts[text]


@pytest.mark.parametrize(("language", "locale", "name"), [("de", "de-DE", "Jörg"), ("es", "es-ES", "Núria")])
def test_a_person_comes_in_writes_and_makes_a_room_in_their_language(
    language: str, locale: str, name: str, enter: Enter, picture: Picture
) -> None:
    say, room = Texts(language), f"{name}s Plan"
    page = enter.stranger(locale=locale)
    expect(page.locator("html")).to_have_attribute("lang", language)
    page.get_by_role("button", name=say("Create an account"), exact=True).click()
    page.get_by_label(say("Your name")).fill(name)
    page.get_by_label(say("Password"), exact=True).fill("password")
    page.get_by_role("button", name=say("Create account"), exact=True).click()
    refused = say("This password is one of the most common ones. Choose another one.")
    expect(page.get_by_role("alert")).to_contain_text(refused, timeout=LIVE_MS)
    problems = problems_of(page, f"{language}-entrance", picture, SMALL_AND_WIDE)
    page.get_by_label(say("Password"), exact=True).fill(PASSWORD)
    page.get_by_role("button", name=say("Create account"), exact=True).click()
    expect(page.get_by_role("status", name=say("Connection"))).to_contain_text(say("Live"), timeout=LIVE_MS)

    page.get_by_role("button", name=say("New room"), exact=True).click()
    dialog = page.get_by_role("dialog", name=say("New room"))
    dialog.get_by_label(say("Name of the room")).fill("General")
    dialog.get_by_role("button", name=say("Create"), exact=True).click()
    expect(dialog).to_contain_text(say("There is a room called {0} already.").replace("{0}", say("General")))
    dialog.get_by_label(say("Name of the room")).fill(room)
    dialog.get_by_role("button", name=say("Create"), exact=True).click()
    expect(page.get_by_role("heading", level=1, name=room)).to_be_visible()
    problems += problems_of(page, f"{language}-room", picture, SMALL_AND_WIDE)
    page.get_by_role("textbox", name=say("Message"), exact=True).fill("¡Hola! Grüße.")
    page.get_by_role("button", name=say("Send"), exact=True).click()
    expect(page.get_by_role("log", name=say("Conversation"))).to_contain_text(say("just now"))
    page.get_by_role("button", name=say("Who is here")).click()
    problems += problems_of(page, f"{language}-details", picture, SMALL_AND_WIDE)
    page.get_by_role("button", name=say("Change the settings…")).click()
    expect(page.get_by_role("dialog", name=say("Room settings"))).to_be_visible()
    problems += problems_of(page, f"{language}-settings", picture, SMALL_AND_WIDE)
    page.keyboard.press("Escape")
    page.get_by_role("button", name=say("Close the details"), exact=True).click()

    small, wide = SMALL_AND_WIDE
    page.get_by_role("button", name=say("Account:")).click()
    choice = page.get_by_role("combobox", name=say("Language"))
    expect(choice).to_be_visible()
    problems += problems_of(page, f"{language}-menu", picture, (wide,))
    page.set_viewport_size({"width": small[0], "height": small[1]})
    page.get_by_role("button", name=say("Show the sidebar"), exact=True).click()
    page.get_by_role("button", name=say("Account:")).click()
    expect(choice).to_be_visible()
    problems += problems_of(page, f"{language}-menu", picture, (small,))
    choice.focus()
    choice.select_option("en")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("combobox", name="Language")).to_be_focused()
    page.reload()
    is_live(page)
    expect(page.get_by_role("log", name="Conversation")).to_contain_text("Grüße.")
    assert problems == []
