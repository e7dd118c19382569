"""What is unread: on every device the same, with mentions, a line in the conversation, and notifications."""

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.chat.tests.browser.conftest import (
    LIVE_MS,
    PASSWORD,
    Enter,
    Picture,
    is_live,
    is_lost,
    open_account_menu,
    problems_of,
    scripted_chat,
    sign_in,
    write,
)
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.test_accounts import rooms
from apps.chat.tests.browser.test_journey import answers, conversation

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

NOTIFICATIONS = """
() => {
  window.shown = [];
  window.asked = 0;
  window.Notification = class {
    static permission = "default";
    static async requestPermission() {
      window.asked += 1;
      return (this.permission = "granted");
    }
    constructor(title, options) {
      window.shown.push(`${title}: ${options.body}`);
    }
    close() {}
  };
}
"""
HIDE = """
(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  const state = hidden ? "hidden" : "visible";
  Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""
SHOWN = "(count) => window.shown.length >= count"

server = scripted_chat()


def entry(page: Page, room: str) -> Locator:
    """A room in the list."""
    return rooms(page).get_by_role("button").filter(has_text=room)


def said(page: Page, text: str) -> None:
    write(page, text)
    expect(conversation(page).get_by_text(text)).to_be_visible(timeout=LIVE_MS)


def test_what_is_unread_is_the_same_on_a_new_device_and_is_read_on_all_at_once(enter: Enter, picture: Picture) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    said(ada, "Before")
    expect(conversation(bob)).to_contain_text("Before", timeout=LIVE_MS)
    entry(bob, "Off topic").click()
    expect(bob.get_by_role("heading", level=1, name="Off topic")).to_be_visible()
    said(ada, "One for everybody")
    said(ada, "And one for @Bob")
    expect(entry(bob, "General")).to_contain_text("1 mention", timeout=LIVE_MS)
    expect(entry(bob, "General")).to_contain_text("2 unread")

    device = enter.stranger()
    device.goto(f"{enter.url}#/room/off-topic")
    sign_in(device, "Bob", PASSWORD)
    is_live(device)
    expect(entry(device, "General")).to_contain_text("1 mention")
    expect(entry(device, "General")).to_contain_text("2 unread")
    assert problems_of(device, "unread", picture, ((360, 740), (1280, 800))) == []
    device.set_viewport_size({"width": 360, "height": 740})
    to_rooms = device.get_by_role("button", name="Show the sidebar, 1 mention")
    expect(to_rooms).to_be_visible()
    to_rooms.click()
    entry(device, "General").click()
    expect(device.get_by_role("button", name="Show the sidebar", exact=True)).to_be_visible()
    device.set_viewport_size({"width": 1280, "height": 800})
    line = conversation(device).get_by_text("New", exact=True)
    expect(line).to_be_visible()
    expect(line.locator("xpath=preceding::article[1]")).to_contain_text("Before")
    expect(line.locator("xpath=following::article[1]")).to_contain_text("One for everybody")
    picture(device, "unread-line")
    for page in (bob, device):
        expect(entry(page, "General")).not_to_contain_text("unread", timeout=LIVE_MS)
        expect(entry(page, "General")).not_to_contain_text("mention")


def test_what_was_said_while_a_device_was_away_is_unread_when_it_is_back(enter: Enter) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    entry(bob, "Off topic").click()
    expect(bob.get_by_role("heading", level=1, name="Off topic")).to_be_visible()
    bob.context.set_offline(True)
    is_lost(bob)
    said(ada, "@Bob are you there?")
    bob.context.set_offline(False)
    is_live(bob)
    expect(entry(bob, "General")).to_contain_text("1 mention")
    bob.reload()
    is_live(bob)
    expect(entry(bob, "General")).to_contain_text("1 mention")


def test_notifications_are_asked_for_on_a_click_and_come_while_the_page_is_hidden(
    enter: Enter, model: ScriptedEndpoint, picture: Picture
) -> None:
    model.answers("Because.")
    ada, cy = enter("Ada"), enter("Cy")
    cy.add_init_script(f"({NOTIFICATIONS})()")
    cy.reload()
    is_live(cy)
    assert cy.evaluate("window.asked") == 0
    open_account_menu(cy)
    cy.get_by_role("switch", name="Notifications").click()
    expect(cy.get_by_role("switch", name="Notifications")).to_be_checked()
    picture(cy, "notifications-on")
    assert cy.evaluate("window.asked") == 1
    cy.keyboard.press("Escape")
    said(ada, "@Cy while you look")
    expect(conversation(cy)).to_contain_text("while you look", timeout=LIVE_MS)
    write(cy, "@ai why?")
    expect(answers(cy, "completed").last).to_contain_text("Because.", timeout=LIVE_MS)
    assert cy.evaluate("window.shown") == []

    model.begins("Once", then=" more.")
    write(cy, "@ai again?")
    expect(answers(cy, "answering").last).to_contain_text("Once", timeout=LIVE_MS)
    cy.evaluate(HIDE, True)
    model.goes_on()
    cy.wait_for_function(SHOWN, arg=1, timeout=LIVE_MS)
    said(ada, "@Cy come back")
    cy.wait_for_function(SHOWN, arg=2, timeout=LIVE_MS)
    assert cy.evaluate("window.shown") == ["Assistant answered you: Once more.", "Ada in General: @Cy come back"]
    cy.evaluate(HIDE, False)
    expect(conversation(cy).get_by_text("New", exact=True)).to_be_visible()
