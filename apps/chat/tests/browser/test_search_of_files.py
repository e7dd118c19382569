"""Files are found by their names, in the room's history and by those who may read it."""

from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.chat.tests.browser.conftest import LIVE_MS, Enter, Picture, problems_of, scripted_chat, write
from apps.chat.tests.browser.test_journey import conversation
from apps.chat.tests.browser.test_search import is_at, search

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

server = scripted_chat()

LONG = "minutes of the meeting about the move to the new building with all the offers that came.txt"
MARKED = "() => [...(CSS.highlights.get('search-hits') ?? [])].map((range) => range.toString())"


def attach(page: Page, directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).write_text("x")
    page.get_by_label("Files to attach").set_input_files([directory / name for name in names])
    expect(page.locator("[data-upload=done]")).to_have_count(len(names), timeout=LIVE_MS)


def in_names(found: Locator) -> Locator:
    """The hits in names of files."""
    return found.locator("bdi mark")


def test_a_file_is_found_by_its_name_and_the_reader_brought_to_it(
    enter: Enter, picture: Picture, tmp_path: Path
) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    attach(ada, tmp_path, "Größe-plan.txt", LONG)
    write(ada, "What we agreed on")
    attach(ada, tmp_path, "plan B.txt")
    ada.get_by_role("button", name="Send").click()
    for number in range(12):
        write(ada, f"Something else, number {number}.\n\n\nAnd more of it.")
    expect(conversation(bob)).to_contain_text("number 11", timeout=LIVE_MS)

    found = search(bob, "plan")
    expect(found).to_have_count(2)
    expect(in_names(found)).to_have_text(["plan", "plan"])
    expect(found.first).not_to_contain_text("agreed")
    found = search(bob, "agreed grosse minut")
    expect(in_names(found)).to_have_text(["Größe", "minutes"])
    expect(found).to_contain_text(LONG)
    assert problems_of(bob, "search-files", picture) == []
    bob.set_viewport_size({"width": 1280, "height": 800})
    bob.keyboard.press("Enter")
    is_at(bob, "What we agreed on")
    assert bob.evaluate(MARKED) == ["agreed", "Größe", "minutes"]
    picture(bob, "search-files-found")
