"""What the page does by itself, whatever server it has."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from apps.chat.tests.browser.conftest import LIVE_MS, People, Picture, is_live, write
from apps.chat.tests.browser.mocked import mocked
from apps.chat.tests.browser.test_journey import answers, conversation

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

MEMBER = "?mock&as=member"
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
SAY = """
async ([room, from, to, together = 2]) => {
  const ada = { id: "ada", name: "Ada Lovelace", kind: "person", devices: 1 };
  const frame = () => new Promise((drawn) => requestAnimationFrame(drawn));
  // As from a socket: between two frames, not within one.
  const channel = new MessageChannel();
  const task = () => new Promise((run) => { channel.port1.onmessage = run; channel.port2.postMessage(0); });
  for (let number = from; number < to; number++) {
    mock.say(room, ada, `said ${number} ` + "and more ".repeat(40));
    if (number % together === together - 1) { await frame(); await task(); }
  }
}
"""
AT_END = """
() => {
  const log = document.querySelector("[role=log]");
  return log.scrollHeight - log.scrollTop - log.clientHeight < 48 && log.querySelectorAll("article").length <= 600;
}
"""
BESIDE = """
(role) => {
  const button = document.querySelector(`[aria-haspopup=${role}][aria-expanded=true]`)?.getBoundingClientRect();
  const panel = document.querySelector(`[role=${role}]:popover-open`)?.getBoundingClientRect();
  return button && panel && (Math.abs(panel.top - button.bottom) < 8 || Math.abs(panel.bottom - button.top) < 8);
}
"""
FRAMES = """
async () => { for (let each = 0; each < 4; each++) await new Promise((drawn) => requestAnimationFrame(drawn)); }
"""
"""Waits until what was typed has been drawn, and the boxes that it moved have said so."""

TAP = 44
SMALL = """
(tap) => [...document.querySelectorAll("button, summary, label:has(input), a:not([data-answer-text] a, p a)")]
  .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.closest("[inert]"))
  .map((each) => [each.ariaLabel || each.textContent, each.getBoundingClientRect()])
  .filter(([, box]) => box.width < tap - 0.5 || box.height < tap - 0.5)
  .map(([name, box]) => `${name}: ${Math.round(box.width)} x ${Math.round(box.height)}`)
"""
LARGE_TEXT = "document.documentElement.style.fontSize = '200%'"
CLIPPED = """
() => [...document.querySelectorAll("main header, main header *, textarea, nav > *")]
  .filter((each) => each.checkVisibility() && !each.closest(".visually-hidden, svg, select"))
  .filter((each) => each.clientHeight > 0 && each.scrollHeight > each.clientHeight + 2)
  .filter((each) => getComputedStyle(each).clipPath === "none")
  .filter((each) => each.matches("textarea") || !["auto", "scroll"].includes(getComputedStyle(each).overflowY))
  .filter((each) => getComputedStyle(each).display !== "inline")
  .map((each) => `${each.tagName} ${each.className}: ${each.scrollHeight} in ${each.clientHeight}`)
"""


@pytest.fixture(scope="module")
def address(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mocked(tmp_path_factory.mktemp("mocked")) as url:
        yield url


@pytest.fixture
def people(browser: Browser, address: str) -> Iterator[People]:
    people = People(browser, address, {})
    yield people
    people.close()
    assert people.problems == []


def opened(people: People, path: str = MEMBER, **options: Any) -> Page:
    """The page of somebody who is inside."""
    page = people.stranger(**options)
    page.goto(people.url + path)
    is_live(page)
    return page


def test_the_view_follows_a_long_conversation_whose_old_messages_are_taken_off(people: People) -> None:
    page = opened(people)
    page.evaluate(SAY, ["general", 0, 560, 56])  # each frame draws all of them, which takes a busy machine a second
    page.evaluate(SAY, ["general", 560, 640])
    expect(conversation(page)).to_contain_text("said 639")
    expect(page.get_by_role("button", name="Jump to latest")).to_have_count(0)
    page.wait_for_function(AT_END)
    for _ in ("empty", "filled"):  # the second time it is emptied at first: the view above is large for a moment
        page.get_by_role("textbox", name="Message").fill("one\ntwo\nthree\nfour\nfive\nsix")
        page.evaluate(FRAMES)
        page.wait_for_function(AT_END)


def test_a_reader_who_moved_up_is_left_in_peace(people: People) -> None:
    page = opened(people)
    page.evaluate(SAY, ["general", 0, 100])
    expect(conversation(page)).to_contain_text("said 99")
    page.wait_for_function(AT_END)  # what is drawn later would bring the view back
    conversation(page).hover()
    page.mouse.wheel(0, -1_500)
    jump = page.get_by_role("button", name="Jump to latest")
    expect(jump).to_be_visible()
    page.evaluate(SAY, ["general", 100, 120])
    expect(jump).to_contain_text("20 new")
    jump.click()
    expect(jump).to_have_count(0)


@pytest.mark.parametrize(("button", "role"), [("Message actions", "menu"), ("React", "dialog")])
def test_what_is_open_beside_a_message_stays_there_when_more_is_said(people: People, button: str, role: str) -> None:
    page = opened(people)
    page.evaluate(SAY, ["general", 0, 20])
    row = conversation(page).locator("article", has_text="said 19")
    row.hover()
    row.get_by_role("button", name=button, exact=True).click()
    panel = page.get_by_role(role, name=re.compile("Message actions|emoji"))  # type: ignore[arg-type]
    expect(panel).to_be_visible()
    page.evaluate(SAY, ["general", 20, 22])
    expect(conversation(page)).to_contain_text("said 21")
    page.wait_for_function(AT_END)
    page.evaluate(FRAMES)
    page.wait_for_function(BESIDE, arg=role)
    expect(panel).to_be_visible()
    conversation(page).hover(position={"x": 5, "y": 5})
    page.mouse.wheel(0, -3_000)
    expect(panel).to_be_hidden()


def test_links_by_reference_lead_somewhere_as_soon_as_the_answer_says_where(people: People) -> None:
    page = opened(people)
    page.evaluate("mock.tokenDelay = 1")
    write(page, "@ai #3 where is that written?")
    expect(page.get_by_role("link", name="in the specification")).to_have_attribute("href", "https://example.com/spec")
    expect(answers(page, "completed").last.locator("math").first).to_be_attached()
    expect(page.get_by_role("link", name="the guide")).to_be_visible()


def test_everything_on_a_phone_can_be_hit_by_a_thumb(people: People) -> None:
    page = opened(people, **PHONE)
    assert page.evaluate(SMALL, TAP) == []
    page.get_by_role("button", name="Ask the assistant").tap()
    expect(page.get_by_role("textbox", name="Message")).to_have_attribute("placeholder", re.compile("Ask"))
    assert page.evaluate(SMALL, TAP) == []
    page.get_by_role("button", name="Diagnostics").tap()
    expect(page.get_by_role("radio", name="Long polling")).to_be_visible()
    assert page.evaluate(SMALL, TAP) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Who is here").tap()
    expect(page.get_by_role("complementary", name="Room details")).to_be_visible()
    assert page.evaluate(SMALL, TAP) == []
    page.get_by_role("button", name="Close the details").tap()
    page.get_by_role("button", name="Show the sidebar").tap()
    expect(page.get_by_text("Go to…")).to_be_visible()
    expect(page.get_by_text("Ctrl K")).to_be_hidden()
    page.get_by_role("button", name="Account:").tap()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    assert page.evaluate(SMALL, TAP) == []


@pytest.mark.parametrize("width", [360, 1280])
def test_text_twice_as_large_is_not_cut_off(people: People, width: int) -> None:
    page = opened(people, viewport={"width": width, "height": 800})
    page.evaluate(LARGE_TEXT)
    assert page.evaluate(CLIPPED) == []
    page.get_by_role("textbox", name="Message").fill("two\nlines")
    assert page.evaluate(CLIPPED) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_enter_makes_a_line_on_a_touch_screen_and_stop_stays_beside_send(people: People) -> None:
    page = opened(people, **PHONE)
    text = page.get_by_role("textbox", name="Message")
    text.fill("one")
    text.press("Enter")
    text.press_sequentially("two")
    expect(text).to_have_value("one\ntwo")
    write(page, "@ai #2 a long answer")
    text.fill("And another thing")
    stop = page.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_visible()
    expect(page.get_by_role("button", name="Send", exact=True)).to_be_enabled()
    stop.tap()
    expect(answers(page, "stopped").last).to_be_visible()
    expect(text).to_have_value("And another thing")


def test_the_keyboard_stays_where_it_was_after_stop(people: People) -> None:
    page = opened(people)
    write(page, "@ai #2 a long answer")
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("textbox", name="Message")).to_be_focused()


def test_a_question_mark_is_written_in_the_composer_and_opens_the_shortcuts_elsewhere(people: People) -> None:
    page = opened(people)
    text = page.get_by_role("textbox", name="Message")
    text.press("?")
    expect(text).to_have_value("?")
    conversation(page).focus()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_be_visible()


def test_a_room_that_loads_has_the_shape_of_a_room(people: People) -> None:
    page = people.stranger()
    page.goto(people.url + MEMBER + "&away")
    box = page.get_by_role("img", name="Loading the conversation").bounding_box()
    assert box is not None
    assert box["width"] > 600


def test_a_link_to_a_room_that_is_not_there_says_so_and_leads_back(people: People) -> None:
    page = opened(people, MEMBER + "#/room/nowhere")
    expect(page.get_by_role("heading", name="This room is not there")).to_be_visible()
    expect(conversation(page)).to_have_count(0)
    expect(page).to_have_url(re.compile("#/room/nowhere$"))
    page.get_by_role("button", name="Go to General").click()
    expect(page.get_by_role("heading", name="General")).to_be_visible()
    expect(page).to_have_url(re.compile("#/room/general$"))
    page.go_back()
    expect(page.get_by_role("heading", name="This room is not there")).to_be_visible()


def test_an_answer_that_is_tried_again_shows_its_question(people: People) -> None:
    page = opened(people)
    page.evaluate("mock.tokenDelay = 0")
    write(page, "@ai #0 what is it about?")
    expect(answers(page, "completed").last).to_contain_text("Read more at")
    write(page, "Something else")
    answers(page).last.get_by_role("button", name="Try again").click()
    expect(answers(page).last).to_contain_text("#0 what is it about?")


def test_a_button_leads_up_to_where_unread_messages_begin(people: People, picture: Picture) -> None:
    page = opened(people, MEMBER + "&many=200")
    page.get_by_role("navigation", name="Sidebar").get_by_role("button", name="Python").click()
    expect(page.get_by_role("heading", level=1, name="Python")).to_be_visible()
    up = page.get_by_role("button", name="Jump to the first of 120 new messages")
    expect(up).to_be_visible()
    picture(page, "new-above")
    line = conversation(page).locator("[data-new]")
    expect(line).not_to_be_in_viewport()
    up.click()
    expect(line).to_be_in_viewport(timeout=LIVE_MS)
    expect(up).to_have_count(0)
    first = page.evaluate("mock.rooms.get('python').room.lastSeq - 119")
    expect(line.locator("xpath=following-sibling::article[1]")).to_contain_text(f"Message number {first}:")
    expect(page.get_by_role("button", name="Jump to latest")).to_be_visible()
