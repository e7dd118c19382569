"""Search of messages, and links to them: the place in the room's history, and the way back."""

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.chat.tests.browser.conftest import LIVE_MS, Enter, Picture, lose_and_find, problems_of, write
from apps.chat.tests.browser.loop_thread import LoopThread
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.program import Program, running
from apps.chat.tests.browser.proxy import CuttableProxy
from apps.chat.tests.browser.test_accounts import make_private_room
from apps.chat.tests.browser.test_editing import act
from apps.chat.tests.browser.test_journey import conversation
from apps.chat.tests.test_past import fill
from hubline_chat.contract import Message, Person

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LONG_AGO = datetime.now(UTC) - timedelta(days=3)
GRACE = Person("grace", "Grace")
COUNT, PLACE = 400, 60
LIGHTHOUSE = "Die Straße zum Leuchtturm is closed: take the größere road"
PERMITTED = ["clipboard-read", "clipboard-write"]
IN_VIEW = """
(text) => {
  const row = document.querySelector("[role=log] [data-target]");  // another one once its messages were loaded anew
  if (!row?.textContent.includes(text)) return false;
  const log = row.closest("[role=log]").getBoundingClientRect(), box = row.getBoundingClientRect();
  return box.top >= log.top && box.bottom <= log.bottom;
}
"""


def said(seq: int) -> Message:
    text = LIGHTHOUSE if seq == PLACE else f"Number {seq}. " + "Something was said about it. " * (seq % 4)
    moment = LONG_AGO + timedelta(minutes=seq)
    return Message(f"m{seq}", "general", seq, "person", GRACE, text, moment)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A chat in whose first room much was said long ago."""
    data = tmp_path_factory.mktemp("chat")
    thread = LoopThread()
    thread.run(fill(f"sqlite:///{data / 'hubline-chat.db'}", [said(seq) for seq in range(1, COUNT + 1)]))
    thread.close()
    with ScriptedEndpoint() as model, running(data, MODEL_URL=model.url, MODEL="small") as program:
        yield program


def search(page: Page, words: str) -> Locator:
    """The results for these words."""
    page.keyboard.press("Control+Shift+F")
    page.get_by_role("combobox", name="Search messages").fill(words)
    return page.get_by_role("listbox", name="Found messages").get_by_role("option")


def is_at(page: Page, text: str) -> None:
    """Waits until the page has been brought to a message, and shows the whole of it."""
    expect(conversation(page).locator("[data-target]")).to_contain_text(text, timeout=LIVE_MS)
    page.wait_for_function(IN_VIEW, arg=text)


def test_what_was_said_long_ago_is_found_and_the_reader_brought_there(
    enter: Enter, proxy: CuttableProxy, picture: Picture
) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    make_private_room(bob, "Keepers")
    write(bob, "Der Leuchtturm is ours")
    expect(conversation(bob)).to_contain_text("ours")
    mine = search(bob, "leuchtturm")
    expect(mine).to_have_count(2)
    expect(mine.first).to_contain_text("Keepers")

    found = search(ada, "strasse LEUCHT")
    expect(found).to_have_count(1)
    expect(found.locator("mark")).to_have_text(["Straße", "Leuchtturm"])
    assert problems_of(ada, "search", picture, ((1280, 800), (360, 740))) == []
    ada.set_viewport_size({"width": 1280, "height": 800})
    ada.keyboard.press("Enter")
    is_at(ada, LIGHTHOUSE)
    expect(ada).to_have_url(re.compile(f"#/room/general/message/m{PLACE}$"))
    picture(ada, "found")
    assert problems_of(ada, "found", picture, ((360, 740), (1280, 800))) == []

    # What comes meanwhile is not put behind messages of long ago; a reconnect changes nothing.
    bob.keyboard.press("Escape")
    expect(bob.get_by_role("dialog")).to_have_count(0)
    bob.get_by_role("navigation").get_by_role("button", name="General").click()
    write(bob, "The newest of all")
    lose_and_find(proxy, ada, bob)
    expect(conversation(bob)).to_contain_text("The newest of all", timeout=LIVE_MS)
    is_at(ada, LIGHTHOUSE)
    expect(conversation(ada).get_by_text("The newest of all")).to_have_count(0)
    ada.reload()
    is_at(ada, LIGHTHOUSE)
    ada.get_by_role("button", name="Jump to latest").click()
    expect(conversation(ada).get_by_text("The newest of all")).to_be_visible()
    expect(ada).to_have_url(re.compile("#/room/general$"))


def test_the_reader_goes_on_from_there_to_the_newest(enter: Enter) -> None:
    ada = enter("Ada")
    search(ada, '"number 300"').first.click()
    is_at(ada, "Number 300.")
    log = conversation(ada)
    log.hover()
    to_newest = ada.get_by_role("button", name="Jump to latest")
    deadline = time.monotonic() + 2 * LIVE_MS / 1000
    while to_newest.count() > 0 and time.monotonic() < deadline:
        ada.mouse.wheel(0, 2_000)
        ada.wait_for_timeout(50)
    expect(to_newest).to_have_count(0)
    expect(ada).to_have_url(re.compile("#/room/general$"))
    numbers = [int(each) for each in re.findall(r"Number (\d+)\.", log.inner_text())]
    assert numbers == list(range(numbers[0], COUNT + 1))


def test_a_link_leads_to_its_message_or_says_that_the_room_is_private(enter: Enter, picture: Picture) -> None:
    ada, bob = enter("Ada"), enter("Bob", permissions=PERMITTED)
    make_private_room(bob, "Plans")
    write(bob, "Nobody else may read this")
    row = conversation(bob).locator("article").filter(has_text="Nobody else")
    row.hover()
    row.get_by_role("button", name="Message actions").click()
    expect(bob.get_by_role("menuitem", name="Edit")).to_be_focused()
    bob.keyboard.press("ArrowUp")
    expect(bob.get_by_role("menuitem", name="Copy link")).to_be_focused()
    picture(bob, "message-menu")
    bob.get_by_role("menuitem", name="Copy link").click()
    expect(bob.get_by_text("The link to the message is copied.")).to_be_visible()
    link = bob.evaluate("() => navigator.clipboard.readText()")
    act(bob, row, "Copy text")
    expect(bob.get_by_text("The text of the message is copied.")).to_be_visible()
    assert bob.evaluate("() => navigator.clipboard.readText()") == "Nobody else may read this"
    bob.goto(link)
    is_at(bob, "Nobody else may read this")

    ada.goto(link)
    expect(ada.get_by_role("heading", name="This room is private")).to_be_visible()
    expect(conversation(ada)).to_have_count(0)
    assert problems_of(ada, "private-link", picture, ((360, 740), (1280, 800))) == []
    ada.set_viewport_size({"width": 1280, "height": 800})
    bob.get_by_role("button", name="Who is here").click()
    bob.get_by_label("Add somebody").fill("Ada")
    bob.keyboard.press("Enter")
    is_at(ada, "Nobody else may read this")

    # In the window that is open already, and for a message that is no more.
    base = link.split("#")[0]
    ada.goto(f"{base}#/room/general/message/m200")
    is_at(ada, "Number 200.")
    ada.goto(f"{base}#/room/general/message/nothing")
    expect(ada.get_by_text("This message does not exist any more.")).to_be_visible()
    expect(ada).to_have_url(re.compile("#/room/general$"))
