"""Who is here and with how many devices, who is writing, and where something was said last."""

import pytest
from playwright.sync_api import Page, expect

from apps.chat.tests.browser.conftest import (
    PASSWORD,
    Enter,
    Picture,
    is_live,
    lose_and_find,
    problems_of,
    scripted_chat,
    sign_in,
    write,
)
from apps.chat.tests.browser.proxy import CuttableProxy
from apps.chat.tests.browser.test_accounts import make_private_room, rooms
from apps.chat.tests.browser.test_journey import conversation

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

WATCH_WRITING = """
() => {
  const main = document.querySelector("main");
  window.wasSeenWriting = false;
  new MutationObserver(() => (window.wasSeenWriting ||= main.textContent.includes("Bob is writing…")))
    .observe(main, { childList: true, subtree: true, characterData: true });
}
"""
"""Four seconds after a key nobody is said to write any more: too short for a busy machine to look."""

server = scripted_chat()


def go_to(page: Page, room: str) -> None:
    rooms(page).get_by_role("button", name=room).click()
    expect(page.get_by_role("heading", level=1, name=room)).to_be_visible()


def test_rooms_follow_what_is_said_and_the_line_above_the_composer_who_writes(
    enter: Enter, proxy: CuttableProxy, picture: Picture
) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    go_to(bob, "Off topic")
    write(bob, "Over here")
    order = rooms(ada).get_by_role("listitem")
    expect(order.first).to_contain_text("Off topic")
    write(ada, "And here")
    for page in (ada, bob):
        expect(rooms(page).get_by_role("listitem").first).to_contain_text("General")
    lose_and_find(proxy, ada, bob)
    go_to(bob, "General")
    write(bob, "Back again")
    expect(conversation(ada)).to_contain_text("Back again")  # then she is in the room, where one hears who writes
    writes = conversation(ada).locator("xpath=../..").get_by_text("Bob is writing…")
    ada.evaluate(WATCH_WRITING)
    bob.get_by_role("textbox", name="Message").press_sequentially("Almost", delay=50)
    ada.wait_for_function("window.wasSeenWriting")
    picture(ada, "writing")
    bob.get_by_role("button", name="Send").click()
    expect(conversation(ada)).to_contain_text("Almost")
    expect(writes).to_have_count(0)


def test_a_person_is_here_once_with_every_device(enter: Enter, picture: Picture) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    phone = enter.stranger()
    sign_in(phone, "Bob", PASSWORD)
    is_live(phone)
    tab = enter.window(bob.context)
    is_live(tab)
    ada.get_by_role("button", name="Who is here").click()
    details = ada.get_by_role("complementary", name="Room details")
    here = details.get_by_role("listitem").filter(has_text="Bob")
    expect(here).to_contain_text("2 devices")
    assert problems_of(ada, "presence", picture, ((360, 740), (1280, 800))) == []
    ada.set_viewport_size({"width": 1280, "height": 800})
    phone.close()
    expect(here).to_contain_text("1 device")

    make_private_room(bob, "Plans")
    bob.get_by_role("button", name="Who is here").click()
    bob.get_by_label("Add somebody").fill("Ada")
    bob.keyboard.press("Enter")
    members = bob.get_by_role("list", name="Members").get_by_role("listitem")
    expect(members.filter(has_text="Ada")).to_contain_text("online · 1 device")
    picture(bob, "members")
    ada.close()
    expect(members.filter(has_text="Ada")).to_contain_text("offline")
