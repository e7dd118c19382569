"""The chat as a person meets it: the real program, a real browser, the real local model."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from apps.chat.tests.browser.proxy import CuttableProxy

ROOT = Path(__file__).parents[4]
PICTURES = ROOT / "test-results" / "chat"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
START_SECONDS = 60


# Playwright's synchronous interface keeps an event loop running in this thread, where no asynchronous test could run
# then: so everything ends with the module, not with the session.
@pytest.fixture(scope="module")
def chromium() -> str:
    """Chromium's program. Without it the tests are skipped; where nothing may be missing that is a failure."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not found:
        pytest.skip("Chromium is missing: install it, or name it in the environment variable CHROMIUM")
    return found


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """`python -m hubline_chat` on a free port, with nothing set: the local model answers."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HUBLINE_CHAT", "OPENAI"))}
    environment |= {"HUBLINE_CHAT_PORT": "0", "PYTHONPATH": str(ROOT / "apps" / "chat" / "src")}
    program = subprocess.Popen(
        [sys.executable, "-m", "hubline_chat"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert program.stdout is not None
    told: list[str] = []
    port = next(
        (int(found[1]) for line in _lines(program, told) if (found := re.search(r":(\d+)$", line.strip()))), None
    )
    if port is None:
        program.communicate()
        pytest.fail("the chat did not start:\n" + "".join(told))
    drained = threading.Thread(target=program.stdout.read, daemon=True)
    drained.start()
    yield port
    program.send_signal(signal.SIGINT)
    try:
        assert program.wait(START_SECONDS) == 0
    finally:
        program.kill()
        drained.join(5)
        program.stdout.close()


def _lines(program: "subprocess.Popen[str]", told: list[str]) -> Generator[str, None, None]:
    """What the program says, until it is silent for too long."""
    assert program.stdout is not None
    watch = threading.Timer(START_SECONDS, program.kill)
    watch.start()
    try:
        for line in program.stdout:
            told.append(line)
            yield line
    finally:
        watch.cancel()


@pytest.fixture
def proxy(server: int) -> Iterator[CuttableProxy]:
    with CuttableProxy(server) as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield running
        running.close()


Enter = Callable[..., Page]


@pytest.fixture
def enter(browser: Browser, proxy: CuttableProxy) -> Iterator[Enter]:
    """Opens the chat in a browser of its own and enters under a name. A page that reports an error fails the test."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_page(name: str, **options: object) -> Page:
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 800}} | options))  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"{name}: {error}"))
        page.goto(proxy.url)
        page.get_by_label("Your name").fill(name)
        page.get_by_role("button", name="Join").click()
        expect(page.get_by_role("status", name="Connection")).to_contain_text("Live", timeout=15_000)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture
def picture() -> Callable[[Page, str], None]:
    """Stores what a page looks like in `test-results/chat`, for a person to look at."""

    def store(page: Page, name: str) -> None:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}.png")

    return store
