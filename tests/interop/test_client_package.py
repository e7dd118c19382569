"""`@hubline/client` against the contract server: on Node.js over lines that are cut, and in Chromium in Strict Mode."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from apps.chat.tests.browser.proxy import CuttableProxy
from tests.interop.running import ROOT, contract_server

PACKAGE = ROOT / "packages" / "client-js"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
COUNT = 300
WHOLE = "".join(f"{number} " for number in range(COUNT))


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
def test_on_node_with_a_line_that_is_cut(server: str) -> None:
    run_in_package("npx", "vitest", "run", "--config", "vitest.server.config.ts", HUBLINE_CONTRACT_URL=server)


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


@pytest.fixture
def page(site: str) -> Iterator[Page]:
    """A page of a browser. What it reports as an error fails the test."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        page = browser.new_page(base_url=site)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        yield page
        browser.close()
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


def address(hub: str, run: str, room: str = "room") -> str:
    return "index.html?" + urlencode({"hub": hub, "run": run, "room": room})


@pytest.mark.client
@pytest.mark.browser
@pytest.mark.timeout(120)
def test_strict_mode_takes_one_stream_and_a_reload_goes_on_from_its_position(
    page: Page, server: str, proxy: CuttableProxy
) -> None:
    hub = f"{proxy.url}hub-runs"
    page.goto("index.html?hub=none")
    run = start(page, hub, "StartCount", COUNT, 20, None, "concurrent:browser")
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
    expect(first.get_by_test_id("state")).to_have_text("completed", timeout=30_000)
    for region in (first, second):
        assert region.get_by_role("status").text_content() == WHOLE
    expect(page.get_by_test_id("runs")).to_have_text("completed")

    before = page.evaluate("performance.timeOrigin")
    page.reload()
    expect(first.get_by_test_id("state")).to_have_text("completed")
    assert first.get_by_role("status").text_content() == WHOLE
    assert page.evaluate("performance.timeOrigin") > before
    assert page.evaluate("probe.streams.filter(([method]) => method === 'AttachRun')") == []


@pytest.mark.client
@pytest.mark.browser
@pytest.mark.timeout(120)
def test_a_person_answers_and_stops(page: Page, server: str) -> None:
    hub = f"{server}/hub-runs"
    page.goto("index.html?hub=none")
    page.goto(address(hub, start(page, hub, "StartAsking", 60_000)))
    first = page.get_by_role("region", name="first")
    first.get_by_role("button", name="Continue?").click()
    expect(first.get_by_role("status")).to_have_text("yes by nobody")
    page.goto(address(hub, start(page, hub, "StartCount", 100_000, 20, None, None)))
    expect(first.get_by_role("status")).to_contain_text("3 ")
    first.get_by_role("button", name="Stop").click()
    expect(first.get_by_test_id("state")).to_have_text("stopped")
    page.goto(address(hub, "nobody"))
    expect(first.get_by_test_id("state")).to_have_text("gone")
