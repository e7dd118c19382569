"""The page for trying hubs, as `hubline run --try` serves it, in Chromium."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect, sync_playwright

from tests.chromium import launched

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 60_000
"""Milliseconds for one step of a page on a busy machine."""
COMMAND = [sys.executable, "-m", "hubline.cli.main", "run", "tests.inspect.application:app", "--try", "--port", "0"]


@contextmanager
def server() -> Iterator[str]:
    """The address of the page."""
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    process = subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        with process.stderr as log:
            lines = iter(log.readline, "")
            line = next((line for line in lines if line.startswith("Try its hubs at ")), "")
            assert line, "the server did not start"
            yield line.split()[4].rstrip(",")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """What the page reports as an error, and what its policy refuses, fails the test."""
    with server() as url, sync_playwright() as playwright:
        browser = launched(playwright)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.goto(url)
        yield page
        browser.close()
        assert problems == []


def method(page: Page, name: str) -> Locator:
    """Its form, opened."""
    found = page.locator(f"[data-method={name}]")
    if found.get_attribute("open") is None:
        found.locator("summary").press("Enter")
    return found


def last(page: Page, kind: str) -> Locator:
    return page.locator(f"#messages li[data-kind={kind}]").last


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_a_hub_is_tried_over_each_transport_and_inspected(page: Page) -> None:
    expect(page.get_by_label("Address")).to_have_value(page.url.replace("/hubline/", "/live/notes"))
    for transport in ("Server-Sent Events", "Long polling", "WebSockets"):
        page.get_by_label("Transport").select_option(label=transport)
        page.get_by_role("button", name="Connect", exact=True).click()
        expect(page.get_by_role("status")).to_have_text(f"connected over {transport}")

        form = method(page, "AskMe")
        form.get_by_label("question").fill(f"over {transport}?")
        page.locator("[data-answer=Confirm] > summary").click()
        page.get_by_label("answer: boolean").check()
        form.get_by_role("button", name="Call").click()
        expect(last(page, "server")).to_contain_text(f'Confirm ["over {transport}?"]')
        expect(last(page, "returned")).to_contain_text('AskMe "yes"')
        page.get_by_label("answer: boolean").uncheck()
        page.locator("[data-answer=Confirm] > summary").click()
        page.get_by_role("button", name="Clear").click()
        if transport != "WebSockets":
            page.get_by_role("button", name="Disconnect").click()
            expect(page.get_by_role("status")).to_have_text("not connected")
    forms(page)
    streams(page)
    inspected(page)


def forms(page: Page) -> None:
    """What does not fit the schema is told at its field and not sent."""
    form = method(page, "AddNote")
    expect(form.get_by_text("Add a note. The result is its number.")).to_be_visible()
    note, place = form.get_by_label("note: NoteInput"), form.get_by_label("place: integer")
    call = form.get_by_role("button", name="Call")
    for value, problem in (
        ("{", "no JSON"),
        ("{}", '"noteText" is missing'),
        ('{"noteText": 1}', "noteText: must be string"),
    ):
        note.fill(value)
        call.click()
        expect(form.get_by_text(problem)).to_be_visible()
        expect(note).to_be_focused()
    note.fill('{"noteText": "<b>milk</b>"}')
    place.fill("-1")
    call.click()
    expect(form.get_by_text("must be 0 or more")).to_be_visible()
    expect(page.locator("#messages li[data-kind=called]")).to_have_count(0)
    place.fill("6")
    form.get_by_label("mood: Mood").select_option("bad")
    call.click()
    expect(last(page, "returned")).to_contain_text("AddNote 7")
    expect(last(page, "server")).to_contain_text('NoteAdded [{"noteText":"<b>milk</b>","isDone":false}]')
    place.fill("")  # it may be left out
    call.click()
    expect(page.locator("#messages li[data-kind=returned]").filter(has_text="AddNote 1")).to_be_visible()


def streams(page: Page) -> None:
    form = method(page, "Count")
    form.get_by_label("start").fill("40")
    form.get_by_role("button", name="Stream").click()
    expect(page.locator("#messages li[data-kind=item]").filter(has_text="42")).to_be_visible()
    form.get_by_role("button", name="Stop").click()
    expect(last(page, "stopped")).to_contain_text("Count")
    form = method(page, "Total")
    form.get_by_label("numbers: stream of integer").fill("[1, 2, 39]")
    form.get_by_role("button", name="Call").click()
    expect(last(page, "returned")).to_contain_text("Total 42")
    expect(last(page, "called")).to_contain_text("Total [[1,2,39]]")
    for name, value in (("Join", "readers"), ("Begin", "kitchen")):
        form = method(page, name)
        form.locator("input").fill(value)
        form.get_by_role("button", name="Call").click()
        expect(last(page, "returned")).to_contain_text(name)
    picture(page, "try")


def inspected(page: Page) -> None:
    page.get_by_role("tab", name="Try").press("ArrowRight")
    expect(page.get_by_role("tab", name="Inspect")).to_be_focused()
    rows = page.get_by_role("row")
    expect(rows.filter(has_text="/live/notes").filter(has_text="WebSockets")).to_contain_text("readers")
    expect(rows.filter(has_text="kitchen")).to_contain_text("running")
    expect(page.locator("dl")).not_to_contain_text("…")
    picture(page, "inspect")
    narrow = page.locator("[data-title=Connections]")
    page.set_viewport_size({"width": 400, "height": 900})
    narrow.focus()
    narrow.evaluate("(table) => { table.scrollLeft = 60; table.dataset.old = 'yes'; }")
    expect(page.locator("[data-title=Connections]:not([data-old])")).to_be_focused()
    assert narrow.evaluate("(table) => table.scrollLeft") == 60, "it stays where it is when it is renewed"
    page.get_by_role("tab", name="Try").click()
    page.get_by_role("button", name="Disconnect").click()


def picture(page: Page, name: str) -> None:
    """For whoever names a directory in HUBLINE_PICTURES: how it looks, light and dark, wide and narrow."""
    if directory := os.environ.get("HUBLINE_PICTURES"):
        for scheme, width in (("light", 1280), ("dark", 1280), ("light", 400)):
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=f"{directory}/{name}-{scheme}-{width}.png", full_page=True)
        page.emulate_media(color_scheme="light")
        page.set_viewport_size({"width": 1280, "height": 900})
