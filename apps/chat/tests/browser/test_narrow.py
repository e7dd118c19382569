"""What gets another width while it is open, and long names beside short words: nothing is cut off."""

import pytest
from playwright.sync_api import Locator, ViewportSize, expect

from apps.chat.tests.browser.conftest import LIVE_MS, Enter, Picture, is_live, scripted_chat, write
from apps.chat.tests.browser.test_conversations import begin
from apps.chat.tests.browser.test_editing import act, row

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

server = scripted_chat()

LONG_NAME = "Bob Featherstonehaugh-Cholmondeley"
WIDE: ViewportSize = {"width": 1280, "height": 800}
NARROW: ViewportSize = {"width": 360, "height": 740}
IS_WHOLE = "(element) => element.scrollHeight <= element.clientHeight && element.scrollWidth <= element.clientWidth"


def is_whole(element: Locator) -> None:
    """Waits until nothing of it is cut off."""
    element.page.wait_for_function(IS_WHOLE, arg=element.element_handle())


def test_a_message_that_is_edited_is_seen_whole_when_the_window_gets_narrow(enter: Enter) -> None:
    ada = enter("Ada")
    write(ada, "These are enough words for two lines of a phone and for one of a wide window, and more.")
    act(ada, row(ada, "enough words"), "Edit")
    field = ada.get_by_role("textbox", name="Edit the message")
    is_whole(field)
    ada.set_viewport_size(NARROW)
    is_whole(field)


def test_a_quote_has_room_for_a_long_name_where_there_is_some(enter: Enter) -> None:
    bob, ada = enter(LONG_NAME), enter("Ada")
    write(bob, "Yes")
    target = row(ada, "Yes")
    target.hover()
    target.get_by_role("button", name="Reply").click()
    write(ada, "I think so too")
    quote = row(ada, "I think so too").get_by_role("button", name="Replies to")
    expect(quote).to_be_visible(timeout=LIVE_MS)
    is_whole(quote.locator("b"))
    ada.set_viewport_size(NARROW)
    expect(quote.get_by_text("Yes")).to_be_visible()
    is_whole(quote.get_by_text("Yes"))


def test_the_hint_of_the_composer_is_there_as_a_whole_or_not_at_all(enter: Enter) -> None:
    ada = enter("Ada")
    is_live(ada)
    begin(ada)
    hint = ada.get_by_text("Enter sends · Shift+Enter for a new line")
    seen = """
    (hint) => {
      const range = document.createRange();
      range.selectNodeContents(hint);
      const text = range.getBoundingClientRect(), box = hint.getBoundingClientRect();
      return [text.top < box.bottom - 1, text.left >= box.left - 1 && text.right <= box.right + 1];
    }
    """
    assert hint.evaluate(seen) == [True, True]
    ada.set_viewport_size({"width": 768, "height": 1000})
    ada.wait_for_function("() => innerWidth === 768")
    shown, whole = hint.evaluate(seen)
    assert whole or not shown


@pytest.mark.parametrize("language", ["en", "de", "es"])
def test_the_buttons_of_the_composer_are_on_one_line_on_a_phone(enter: Enter, picture: Picture, language: str) -> None:
    ada = enter("Ada")
    begin(ada)
    ada.evaluate("(language) => localStorage.setItem('hubline.language', language)", language)
    ada.set_viewport_size(NARROW)
    ada.reload()
    expect(ada.locator("html")).to_have_attribute("lang", language)
    buttons = ada.locator("textarea[data-composer] + div button")
    expect(buttons.nth(3)).to_be_visible()
    boxes = [box for each in buttons.all() if (box := each.bounding_box()) is not None]
    picture(ada, f"composer-360-{language}")
    assert [box for box in boxes if abs(box["y"] - boxes[0]["y"]) > 4] == []
    assert boxes[-1]["x"] + boxes[-1]["width"] > NARROW["width"] - 24


def test_the_buttons_of_a_message_leave_its_first_line_whole_where_they_are_large(
    enter: Enter, picture: Picture
) -> None:
    bob, ada = enter(LONG_NAME), enter("Ada", viewport=NARROW)
    write(bob, "A message with a name that fills its first line")
    message = row(ada, "A message with")
    expect(message).to_be_visible(timeout=LIVE_MS)
    message.hover()
    button = message.get_by_role("button", name="Message actions")
    expect(button.locator("xpath=ancestor::span[last()]")).to_have_css("opacity", "1")
    picture(ada, "message-bar-360")
    first = message.locator("time").evaluate("(time) => time.parentElement.getBoundingClientRect().top")
    box = button.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= first + 1
    assert box["y"] > 0
    button.click()
    expect(ada.get_by_role("menuitem", name="Copy text")).to_be_visible()
