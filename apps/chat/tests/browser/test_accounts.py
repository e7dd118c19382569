"""Coming in, staying in and going out: names, passwords, guests, sessions and tokens."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.chat.tests.browser.conftest import (
    LIVE_MS,
    PASSWORD,
    Enter,
    Picture,
    is_live,
    link_to,
    open_account_menu,
    problems_of,
    scripted_chat,
    sign_in,
    write,
)
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.program import Program
from apps.chat.tests.browser.test_journey import conversation

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

TOKEN_SECONDS = 20
"""A page exchanges its token after sixteen seconds, and has four for it: a busy machine takes more than one."""

WIDE = ((1280, 800), (1920, 1000))
"""Where the sidebar, and with it the account's menu, stays in sight."""

REFRESH = re.compile("/chatHub/refresh")
WATCH_STATUS = """
() => {
  window.states = [];
  const status = document.querySelector('[role=status][aria-label=Connection]');
  new MutationObserver(() => window.states.push(status.textContent))
    .observe(status, { childList: true, subtree: true, characterData: true });
}
"""

server = scripted_chat(GUESTS="true", TOKEN_SECONDS=str(TOKEN_SECONDS))


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint() as endpoint:
        endpoint.answers("Yes.")
        yield endpoint


def rooms(page: Page) -> Locator:
    return page.get_by_role("navigation", name="Sidebar").get_by_role("list")


def make_private_room(page: Page, name: str) -> None:
    page.get_by_role("button", name="New room").click()
    page.get_by_label("Name of the room").fill(name)
    page.get_by_role("checkbox", name="Private").check()
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)  # while it is there the keyboard is its
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def test_a_guest_comes_in_by_a_name_and_stays_over_a_reload(enter: Enter) -> None:
    page = enter.stranger()
    page.get_by_label("Your name").fill("Passer-by")
    page.get_by_role("button", name="Come in as a guest").click()
    is_live(page)
    write(page, "Just looking")
    expect(conversation(page)).to_contain_text("Just looking")
    page.reload()
    is_live(page)
    expect(page.get_by_role("button", name="Account: Passer-by")).to_contain_text("Guest")


def test_a_wrong_password_keeps_the_name_and_is_said_at_its_field(enter: Enter, picture: Picture) -> None:
    enter("Ada").context.close()
    page = enter.stranger()
    sign_in(page, "Ada", "not her password")
    field = page.get_by_label("Password", exact=True)
    expect(page.get_by_role("alert")).to_contain_text("wrong")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Your name")).to_have_value("Ada")
    picture(page, "wrong-password")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    is_live(page)


def test_who_tries_too_often_sees_when_to_go_on(enter: Enter) -> None:
    page = enter.stranger()
    sign_in(page, "Mallory", "wrong 0")
    for attempt in range(1, 12):
        button = page.locator("button[type=submit]")
        expect(button).not_to_contain_text("Signing in")
        if "Try again in" in button.inner_text():
            break
        page.get_by_label("Password", exact=True).fill(f"wrong {attempt}")
        button.click()
    expect(page.get_by_role("alert")).to_contain_text("Too many attempts")
    expect(page.locator("button[type=submit]")).to_be_disabled()


def test_a_session_that_ends_during_a_chat_loses_nothing_of_the_person(enter: Enter, picture: Picture) -> None:
    page = enter("Grace")
    write(page, "Before the end")
    expect(conversation(page)).to_contain_text("Before the end")
    page.get_by_role("textbox", name="Message").fill("Half a thought")

    elsewhere = enter.stranger()
    sign_in(elsewhere, "Grace", PASSWORD)
    is_live(elsewhere)
    page.context.set_offline(True)
    write(page, "Written at the last moment")
    page.get_by_role("textbox", name="Message").fill("Half a thought")
    open_account_menu(elsewhere)
    elsewhere.get_by_role("button", name="Change password").click()
    elsewhere.get_by_label("Current password").fill(PASSWORD)
    elsewhere.get_by_label("New password").fill("another four words")
    elsewhere.get_by_role("button", name="Change", exact=True).click()
    expect(elsewhere.get_by_text("Your password is changed")).to_be_visible()
    page.context.set_offline(False)

    expect(page.get_by_text("Your session has ended. Sign in again.")).to_be_visible(timeout=LIVE_MS)
    expect(page.get_by_label("Your name")).to_have_value("Grace")
    picture(page, "session-ended")
    sign_in(page, "Grace", "another four words")
    is_live(page)
    for window in (page, elsewhere):
        expect(conversation(window).get_by_text("Written at the last moment")).to_have_count(1)
    expect(page.get_by_role("textbox", name="Message")).to_have_value("Half a thought")


def test_somebody_else_gets_nothing_of_whose_session_ended(enter: Enter) -> None:
    enter("Ada").context.close()
    page = enter("Linus")
    page.get_by_role("textbox", name="Message").fill("A secret of Linus's")
    page.context.clear_cookies()
    page.reload()
    sign_in(page, "Ada", PASSWORD)
    is_live(page)
    expect(page.get_by_role("textbox", name="Message")).to_have_value("")


def test_tokens_are_exchanged_while_the_connections_live_on(enter: Enter) -> None:
    ken, dennis = pages = enter("Ken"), enter("Dennis")
    for page, transport in zip(pages, ("WebSockets", "Long polling"), strict=True):
        page.get_by_role("button", name="Diagnostics").click()
        page.get_by_role("radio", name=transport).check()
        page.keyboard.press("Escape")
        expect(page.get_by_role("status", name="Connection")).to_contain_text(transport, timeout=LIVE_MS)
        page.evaluate(WATCH_STATUS)
    for _ in range(2):
        with ken.expect_response(REFRESH, timeout=LIVE_MS) as first, dennis.expect_response(REFRESH) as second:
            pass
        assert (first.value.status, second.value.status) == (200, 200)
    for page in pages:
        assert page.evaluate("() => window.states") == []
    write(ken, "Still here")
    expect(conversation(dennis)).to_contain_text("Still here")


def test_signing_out_closes_the_windows_of_that_session_and_no_other(enter: Enter) -> None:
    first = enter("Barbara")
    second = enter.window(first.context)
    guest = enter.window(first.context, "?guest")
    is_live(second)
    guest.get_by_label("Your name").fill("Barbara's friend")
    guest.get_by_role("button", name="Come in as a guest").click()
    is_live(guest)
    other = enter("Ada")
    open_account_menu(first)
    first.get_by_role("button", name="Sign out").click()
    expect(first.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(second.get_by_text("You signed out in another window.")).to_be_visible()
    write(guest, "I am still here")
    for page in (guest, other):
        expect(conversation(page)).to_contain_text("I am still here")
        is_live(page)


def test_a_private_room_is_nothing_to_strangers_until_they_are_added(enter: Enter) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    make_private_room(ada, "Plans")
    write(ada, "Only for us")
    expect(conversation(ada)).to_contain_text("Only for us")
    address = link_to(ada)
    expect(rooms(bob).get_by_text("Plans")).to_have_count(0)
    bob.goto(address)
    bob.reload()
    is_live(bob)
    expect(bob.get_by_role("heading", level=1, name="Plans")).to_have_count(0)
    expect(conversation(bob).get_by_text("Only for us")).to_have_count(0)

    ada.get_by_role("button", name="Who is here").click()
    ada.get_by_label("Add somebody").fill("bo")
    ada.get_by_role("option", name="Bob").click()
    expect(ada.get_by_role("list", name="Members")).to_contain_text("Bob")
    rooms(bob).get_by_text("Plans").click()
    expect(conversation(bob)).to_contain_text("Only for us")

    ada.get_by_role("button", name="Remove Bob").click()
    expect(bob.get_by_role("alert")).to_contain_text("Plans")  # it goes by itself
    expect(rooms(bob).get_by_text("Plans")).to_have_count(0)
    expect(conversation(bob).get_by_text("Only for us")).to_have_count(0)


def test_the_only_member_leaves_for_good_and_the_room_is_gone(enter: Enter) -> None:
    page = enter("Ada")
    make_private_room(page, "Short-lived")
    page.get_by_role("button", name="Who is here").click()
    page.get_by_role("button", name="Leave for good").click()
    page.get_by_role("button", name="Leave and delete").click()
    expect(rooms(page).get_by_text("Short-lived")).to_have_count(0)
    expect(page.get_by_role("textbox", name="Message")).to_be_visible()


def test_everybody_can_use_the_entrance(enter: Enter, picture: Picture) -> None:
    page = enter.stranger()
    expect(page.get_by_role("button", name="Come in as a guest")).to_be_visible()
    problems = problems_of(page, "entrance-guest", picture)
    page.get_by_role("button", name="Create an account").click()
    page.get_by_role("button", name="Create account").click()
    expect(page.get_by_role("alert")).to_be_visible()
    problems += problems_of(page, "entrance-sign-up", picture)
    assert problems == []


def test_everybody_can_use_the_account_and_its_dialogs(enter: Enter, server: Program, picture: Picture) -> None:
    enter("Ada").context.close()
    page = enter.stranger()
    sign_in(page, "admin", server.password)
    is_live(page)
    open_account_menu(page)
    problems = problems_of(page, "account-menu", picture, WIDE)
    page.get_by_role("button", name="People", exact=True).click()
    expect(page.get_by_label("Tier of Ada")).to_be_visible()
    problems += problems_of(page, "people", picture)
    page.keyboard.press("Escape")
    open_account_menu(page)
    page.get_by_role("button", name="Change password").click()
    problems += problems_of(page, "password", picture)
    assert problems == []


def test_everybody_can_use_private_rooms(enter: Enter, picture: Picture) -> None:
    page = enter("Ada")
    page.get_by_role("button", name="New room").click()
    problems = problems_of(page, "new-room", picture)
    page.keyboard.press("Escape")
    make_private_room(page, "Within reach")
    page.get_by_role("button", name="Who is here").click()
    page.get_by_label("Add somebody").fill("a")
    expect(page.get_by_role("option", name="admin")).to_be_visible()
    problems += problems_of(page, "private-room", picture)
    page.get_by_role("button", name="Leave for good").click()
    problems += problems_of(page, "leave-room", picture)
    assert problems == []
