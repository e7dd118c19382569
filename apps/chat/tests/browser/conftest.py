"""The chat as a person meets it: the real program and a real browser, with the real local model or a scripted one."""

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.program import ROOT, Program, running
from apps.chat.tests.browser.proxy import CuttableProxy
from tests.chromium import launched

PASSWORD = "correct horse battery"
LIVE_MS = 60_000
expect.set_options(timeout=LIVE_MS)  # instead of five seconds, which a busy machine needs for a page


# Playwright's synchronous interface keeps an event loop running in this thread, where no asynchronous test could run
# then: so a browser is open as long as the next test is one of this directory. Everything else ends with the module.
HERE = Path(__file__).parent
_open = ExitStack()
_browser: list[Browser] = []


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None]:
    yield
    if nextitem is None or not nextitem.path.is_relative_to(HERE):
        _browser.clear()
        _open.close()


@pytest.fixture(scope="module")
def chromium() -> str:
    """Chromium's program. Without it the tests are skipped; where nothing may be missing that is a failure."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not found:
        pytest.skip("Chromium is missing: install it, or name it in the environment variable CHROMIUM")
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The chat with nothing set but where its data are: the local model answers."""
    with running(tmp_path_factory.mktemp("chat")) as program:
        yield program


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedEndpoint]:
    """The model of a chat made by `scripted_chat`."""
    with ScriptedEndpoint() as endpoint:
        yield endpoint


def scripted_chat(**settings: str) -> object:
    """A module's own fixture `server`: a chat with these settings, in which the fixture `model` answers."""

    @pytest.fixture(scope="module")
    def server(model: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
        chosen = {"MODEL_URL": model.url, "MODEL": "small"} | settings
        with running(tmp_path_factory.mktemp("chat"), **chosen) as program:
            yield program

    return server


@pytest.fixture
def proxy(server: Program) -> Iterator[CuttableProxy]:
    with CuttableProxy(server.port) as started:
        yield started


@pytest.fixture(scope="module")
def browser(chromium: str) -> Browser:
    """One for all modules that follow each other: each test has contexts of its own in it."""
    if not _browser:
        started = launched(_open.enter_context(sync_playwright()))
        _open.callback(started.close)
        _browser.append(started)
    return _browser[0]


class People:
    """Opens the chat for people, each in a browser of their own. A page that reports an error fails the test."""

    def __init__(self, browser: Browser, url: str, sessions: dict[str, StorageState]) -> None:
        self.url = url
        self.problems: list[str] = []
        self._browser = browser
        self._sessions = sessions
        self._contexts: list[BrowserContext] = []

    def __call__(self, name: str, **options: object) -> Page:
        """Somebody with an account, made on the first visit; later visits go on with the session of the first."""
        known = self._sessions.get(name)
        page = self.stranger(storage_state=known, **options)
        if known is None:
            page.get_by_role("button", name="Create an account").click()
            page.get_by_label("Your name").fill(name)
            page.get_by_label("Password", exact=True).fill(PASSWORD)
            page.get_by_role("button", name="Create account").click()
        is_live(page)
        self._sessions.setdefault(name, page.context.storage_state())
        return page

    def stranger(self, **options: Any) -> Page:
        """The first screen, in a browser that was never here."""
        usual = {"viewport": {"width": 1280, "height": 800}, "service_workers": "block"}
        context = self._browser.new_context(**(usual | options))
        context.set_default_timeout(LIVE_MS)
        self._contexts.append(context)
        return self.window(context)

    def window(self, context: BrowserContext, path: str = "") -> Page:
        """One more window of a browser."""
        page = context.new_page()
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.goto(self.url + path)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()


Enter = People


@pytest.fixture(scope="module")
def sessions() -> dict[str, StorageState]:
    """The cookies of those who have been at this module's server."""
    return {}


@pytest.fixture
def enter(browser: Browser, proxy: CuttableProxy, sessions: dict[str, StorageState]) -> Iterator[Enter]:
    people = People(browser, proxy.url, sessions)
    yield people
    people.close()
    assert people.problems == []


def is_live(page: Page) -> None:
    """Waits until a page is connected."""
    expect(page.get_by_role("status", name="Connection")).to_contain_text("Live", timeout=LIVE_MS)


def link_to(page: Page) -> str:
    """The address of what a page shows. `Page.url` comes to it a moment later."""
    return str(page.evaluate("location.href"))


def is_lost(page: Page) -> None:
    """Waits until a page knows that it is not connected."""
    expect(page.get_by_role("status", name="Connection")).not_to_contain_text("Live", timeout=LIVE_MS)


def lose_and_find(proxy: CuttableProxy, *pages: Page) -> None:
    """The network is gone, and back. `pages` are all that are used later: one that is left out may lose it then."""
    proxy.cut()
    for page in pages:
        is_lost(page)
    proxy.mend()
    for page in pages:
        is_live(page)


def sign_in(page: Page, name: str, password: str) -> None:
    """By the form of the first screen, whichever way it shows."""
    page.get_by_label("Your name").wait_for()
    if page.get_by_role("button", name="Sign in with a password").is_visible():
        page.get_by_role("button", name="Sign in with a password").click()
    page.get_by_label("Your name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def open_account_menu(page: Page) -> None:
    page.get_by_role("button", name="Account:").click()


Picture = Callable[[Page, str], None]


@pytest.fixture
def picture() -> Picture:
    """Stores what a page looks like, for whoever names a directory in HUBLINE_PICTURES."""

    def store(page: Page, name: str) -> None:
        if directory := os.environ.get("HUBLINE_PICTURES"):
            page.screenshot(path=Path(directory) / f"{name}.png")

    return store


AXE = ROOT / "apps" / "chat" / "web" / "node_modules" / "axe-core" / "axe.min.js"
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
SIZES = ((360, 740), (768, 1000), (1280, 800), (1920, 1000))
DRAWN = """
async (scheme) => {
  const frame = () => new Promise((drawn) => requestAnimationFrame(drawn));
  while (!matchMedia(`(prefers-color-scheme: ${scheme})`).matches) await frame();
  await frame();
  await frame();
  const changes = document.getAnimations().filter((each) => each instanceof CSSTransition);
  await Promise.allSettled(changes.map((each) => each.finished));
}
"""
"""Waits until a page has been drawn in its new size and colours."""


def problems_of(page: Page, name: str, picture: Picture, sizes: tuple[tuple[int, int], ...] = SIZES) -> list[str]:
    """What axe finds, and whether it scrolls sideways, in each size, light and dark."""
    page.evaluate(AXE.read_text("utf-8"))
    problems = []
    for width, height in sizes:
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.evaluate(DRAWN, scheme)
            found = page.evaluate("async () => (await axe.run({ resultTypes: ['violations'] })).violations")
            place = f"{name} {width} {scheme}"
            problems += [f"{place}: {each['id']} {[node['target'] for node in each['nodes']]}" for each in found]
            if not page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth"):
                problems.append(f"{place}: it scrolls sideways")
            picture(page, f"{name}-{width}-{scheme}")
    return problems


def write(page: Page, text: str) -> None:
    """Write a message, and send it."""
    page.get_by_role("textbox", name="Message").fill(text)
    page.get_by_role("button", name="Send").click()
