"""`@hubline/client` against the contract server: on Node.js over lines that are cut, and in Chromium in Strict Mode."""

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from apps.chat.tests.browser.proxy import CuttableProxy
from tests.chromium import launched
from tests.interop.running import ROOT, contract_server

PACKAGE = ROOT / "packages" / "client-js"
PATIENCE_MS = 60_000
"""Milliseconds for one step of a page on a busy machine."""
expect.set_options(timeout=PATIENCE_MS)
ENDLESS = 100_000
"""So many numbers are never written while a test runs."""


def run_in_package(*command: str, **environment: str) -> None:
    done = subprocess.run(
        command, cwd=PACKAGE, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with contract_server() as url:
        yield url


@pytest.mark.client
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "seed",
    [{"HUBLINE_SEED": os.environ.get("HUBLINE_SEED", "1")}, pytest.param({}, marks=pytest.mark.slow)],
    ids=["one", "all"],
)
def test_on_node_with_a_line_that_is_cut(server: str, seed: dict[str, str]) -> None:
    command = "npx", "vitest", "run", "--config", "vitest.server.config.ts"
    run_in_package(*command, HUBLINE_CONTRACT_URL=server, **seed)


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: Any) -> None: ...


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The page of the package's tests, built and served."""
    run_in_package("npx", "vite", "build", "--config", "vite.browser.config.ts", "--logLevel", "error")
    files = partial(Quiet, directory=str(PACKAGE / "tests" / "browser" / "dist"))
    with ThreadingHTTPServer(("127.0.0.1", 0), files) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}/"
        serving.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def proxy(server: str) -> Iterator[CuttableProxy]:
    port = urlsplit(server).port
    assert port is not None
    with CuttableProxy(port) as started:
        yield started


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = launched(playwright)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    """A page of a browser of its own. What it reports as an error fails the test."""
    context = browser.new_context(base_url=site)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    context.close()
    assert problems == []


def start(page: Page, hub: str, method: str, *arguments: object) -> str:
    """Have the page's own client start a run, on another connection; its id."""
    script = """async ([hub, method, args]) => {
        const { HubConnectionBuilder } = window.signalr;
        const connection = new HubConnectionBuilder().withUrl(hub, { withCredentials: false }).build();
        await connection.start();
        try { return await connection.invoke(method, ...args); } finally { await connection.stop(); }
    }"""
    run_id: str = page.evaluate(script, [hub, method, list(arguments)])
    return run_id


def is_whole(text: str | None) -> bool:
    """Whether it is the numbers from 0 on, none missing and none twice."""
    assert text is not None
    return text == "".join(f"{number} " for number in range(len(text.split())))


def address(hub: str, run: str, room: str = "room") -> str:
    return "index.html?" + urlencode({"hub": hub, "run": run, "room": room})


@pytest.mark.client
@pytest.mark.browser
@pytest.mark.timeout(300)
def test_strict_mode_takes_one_stream_and_a_reload_goes_on_from_its_position(
    page: Page, server: str, proxy: CuttableProxy
) -> None:
    hub = f"{proxy.url}hub-runs"
    page.goto("index.html?hub=none")
    run = start(page, hub, "StartCount", ENDLESS, 20, None, "concurrent:browser")
    page.goto(address(hub, run, "concurrent:browser"))
    first, second = (page.get_by_role("region", name=name) for name in ("first", "second"))
    expect(first.get_by_role("status")).to_contain_text("20 ")
    expect(second.get_by_role("status")).to_contain_text("20 ")
    expect(page.get_by_test_id("runs")).to_have_text("running")
    streams = page.evaluate("probe.streams.map(([method]) => method).sort()")
    assert streams == ["AttachRun", "WatchRuns"]
    assert page.evaluate("probe.starts") == 1

    page.reload()
    expect(first.get_by_role("status")).to_contain_text("60 ")
    page.wait_for_function("probe.streams.some(([method]) => method === 'AttachRun')")  # the text may be a kept one
    attached = page.evaluate("probe.streams.filter(([method]) => method === 'AttachRun')")
    assert len(attached) == 1
    assert attached[0][2] is not None

    proxy.cut()
    expect(first.get_by_test_id("live")).to_have_text("false")
    expect(page.get_by_test_id("connection")).to_contain_text("reconnecting")
    proxy.mend()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(first.get_by_test_id("live")).to_have_text("true")
    page.get_by_role("button", name="Hide").click()
    page.get_by_role("button", name="Show").click()
    expect(second.get_by_role("status")).to_contain_text("90 ")
    second.get_by_role("button", name="Stop").click()
    texts = []
    for region in (first, second):
        expect(region.get_by_test_id("state")).to_have_text("stopped")
        texts.append(region.get_by_role("status").text_content())
    assert is_whole(texts[0])
    assert texts[0] == texts[1]
    expect(page.get_by_test_id("runs")).to_have_text("stopped")

    page.reload()
    expect(first.get_by_test_id("state")).to_have_text("stopped")
    assert first.get_by_role("status").text_content() == texts[0]
    expect(page.get_by_test_id("runs")).to_have_text("stopped")
    assert page.evaluate("probe.streams.filter(([method]) => method === 'AttachRun')") == []


@pytest.mark.client
@pytest.mark.browser
@pytest.mark.timeout(300)
def test_a_person_answers_and_stops(page: Page, server: str) -> None:
    hub = f"{server}/hub-runs"
    page.goto("index.html?hub=none")
    page.goto(address(hub, start(page, hub, "StartAsking", 60_000)))
    first = page.get_by_role("region", name="first")
    first.get_by_role("button", name="Continue?").click()
    expect(first.get_by_role("status")).to_have_text("yes by nobody")
    page.goto(address(hub, start(page, hub, "StartCount", ENDLESS, 20, None, None)))
    expect(first.get_by_role("status")).to_contain_text("3 ")
    first.get_by_role("button", name="Stop").click()
    expect(first.get_by_test_id("state")).to_have_text("stopped")
    page.goto(address(hub, "nobody"))
    expect(first.get_by_test_id("state")).to_have_text("gone")


@pytest.mark.client
@pytest.mark.browser
@pytest.mark.timeout(300)
def test_a_room_in_react_is_joined_once_and_goes_on_over_a_cut(
    page: Page, browser: Browser, site: str, server: str, proxy: CuttableProxy
) -> None:
    room = f"react {os.urandom(4).hex()}"
    page.goto("room.html?" + urlencode({"hub": f"{proxy.url}hub-rooms", "room": room}))
    other = browser.new_page(base_url=site)
    other.goto("room.html?" + urlencode({"hub": f"{server}/hub-rooms", "room": room}))
    first, second = (page.get_by_role("region", name=name) for name in ("first", "second"))
    there = other.get_by_role("region", name="first")
    expect(first.get_by_test_id("members")).to_have_text("2")
    expect(there.get_by_test_id("members")).to_have_text("2")
    assert page.evaluate("joins") == ["JoinRoom"]
    first.get_by_label("Message").fill("one")
    first.get_by_label("Message").press("Enter")
    for region in (first, second, there):
        expect(region.get_by_role("status")).to_have_text("one")
    there.get_by_role("button", name="Type").click()
    expect(first.get_by_test_id("typing")).to_have_text("1")
    expect(second.get_by_test_id("typing")).to_have_text("1")

    proxy.cut()
    expect(first.get_by_test_id("live")).to_have_text("false")
    for text in ("two", "three"):
        there.get_by_label("Message").fill(text)
        there.get_by_label("Message").press("Enter")
        expect(there.get_by_role("status")).to_contain_text(text)
    proxy.mend()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(first.get_by_role("status")).to_have_text("one,two,three")
    page.reload()
    expect(second.get_by_role("status")).to_have_text("two,three")
    second.get_by_role("button", name="Older").click()
    expect(first.get_by_role("status")).to_have_text("one,two,three")

    page.get_by_role("button", name="Leave").click()
    expect(first.get_by_role("status")).to_have_text("")
    expect(there.get_by_test_id("members")).to_have_text("1")
    assert page.evaluate("joins")[-1] == "LeaveRoom"
    other.close()


def send(page: Page, method: str, *arguments: object) -> None:
    page.get_by_label("Message").fill(json.dumps([method, list(arguments)]))
    page.get_by_label("Message").press("Enter")


@pytest.mark.client
@pytest.mark.browser
@pytest.mark.timeout(300)
@pytest.mark.rule("R1", "R5")
def test_use_chat_over_a_hub_connection_goes_on_after_reloads_and_cuts(
    page: Page, server: str, proxy: CuttableProxy
) -> None:
    numbers = "".join(f"{number} " for number in range(600))
    page.goto("chat.html?" + urlencode({"hub": f"{proxy.url}hub-runs", "chat": "concurrent:reloaded"}))
    status, answer = page.locator("output"), page.locator("li[data-role=assistant]")
    expect(status).to_have_text("ready")
    send(page, "StartCount", 600, 20)
    expect(answer).to_contain_text("0 1 2 3 ")
    message_id = answer.get_attribute("data-id")
    for after in ("20 21 22 ", "50 51 52 "):
        page.reload()
        expect(status).to_have_text("streaming")
        expect(answer).to_contain_text(after)
        assert is_whole(answer.text_content())
    proxy.cut()
    seen = answer.text_content()
    proxy.mend()
    page.evaluate("dispatchEvent(new Event('online'))")
    expect(status).to_have_text("ready")
    assert seen is not None
    assert numbers.startswith(seen)
    assert page.locator("li").all_text_contents()[1:] == [numbers]
    assert answer.get_attribute("data-id") == message_id
    assert answer.count() == 1


@pytest.mark.client
@pytest.mark.browser
@pytest.mark.timeout(300)
@pytest.mark.rule("R5", "R6", "R13")
def test_use_chat_looks_away_stops_and_shows_failures(page: Page, server: str) -> None:
    page.goto("chat.html?" + urlencode({"hub": f"{server}/hub-runs", "chat": "concurrent:stopped"}))
    status, answer = page.locator("output"), page.locator("li[data-role=assistant]")
    expect(status).to_have_text("ready")
    send(page, "StartCount", ENDLESS, 20)
    expect(answer).to_contain_text("3 ")
    page.get_by_role("button", name="Look away").click()
    expect(status).to_have_text("ready")
    page.reload()  # the answer has gone on
    expect(status).to_have_text("streaming")
    expect(answer).to_contain_text("30 ")
    page.get_by_role("button", name="Stop").click()
    expect(status).to_have_text("ready")
    assert is_whole(answer.text_content())
    page.reload()
    expect(status).to_have_text("ready")
    assert answer.count() == 0  # nothing goes on, and what has ended the application has stored
    send(page, "StartFailingHub", 2, "The model is away.")
    expect(status).to_have_text("error: The model is away.")
    expect(answer).to_have_text("0 1 ")
