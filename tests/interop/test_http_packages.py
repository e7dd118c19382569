"""The AI SDK and AG-UI, as npm has them, reading runs from a real server: on Node, and in Chromium."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.chromium import launched
from tests.interop.running import SERVERS, running
from tests.interop.test_javascript import assert_all_passed

HTTP = Path(__file__).parent / "http"
FEWEST = 17
"""Fewer tests than this, and some file was not run."""
PAGE = "<!doctype html><html lang=en><meta charset=utf-8><title>Chat</title><body><script src=page.js></script></html>"

PATIENCE_MS = 60_000
"""Milliseconds for one step of a page on a busy machine."""
expect.set_options(timeout=PATIENCE_MS)

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]


def install() -> None:
    """`npm ci`, where it was not done."""
    if not (HTTP / "node_modules" / "ai").is_dir():
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=HTTP, check=True)


@pytest.mark.parametrize("server", SERVERS)
def test_the_packages_on_node(server: str) -> None:
    install()
    files = sorted(path.name for path in HTTP.glob("*.test.mjs"))
    command = ["node", "--test", "--test-reporter=../js/reporter.mjs", *files]
    with running("tests.interop.http_server", "--server", server) as url:
        environment = os.environ | {"HUBLINE_HTTP_URL": url}
        done = subprocess.run(command, cwd=HTTP, env=environment, capture_output=True, text=True, check=False)
    assert not done.stderr, done.stderr
    assert_all_passed([json.loads(line) for line in done.stdout.splitlines()], FEWEST)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the page, bundled."""
    install()
    directory = tmp_path_factory.mktemp("page")
    build = ["node_modules/.bin/esbuild", "page.jsx", "--bundle", "--jsx=automatic", "--log-level=warning"]
    subprocess.run([*build, f"--outfile={directory / 'page.js'}"], cwd=HTTP, check=True)
    (directory / "index.html").write_text(PAGE, "utf-8")
    with running("tests.interop.http_server", PAGE=str(directory)) as url:
        yield url


@pytest.fixture(scope="module")
def page(site: str) -> Iterator[Page]:
    """A page of Chromium. Without it the tests are skipped; where nothing may be missing that is a failure."""
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not chromium:
        pytest.skip("Chromium is missing: install it, or name it in the environment variable CHROMIUM")
    with sync_playwright() as playwright:
        browser = launched(playwright)
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        yield page
        browser.close()
    assert problems == []


def ask(page: Page, text: str) -> None:
    page.get_by_label("Message").fill(text)
    page.get_by_label("Message").press("Enter")


@pytest.mark.rule("H2", "R1", "R5")
def test_use_chat_goes_on_after_a_reload_in_the_middle_of_an_answer(site: str, page: Page) -> None:
    numbers = "".join(f"{number} " for number in range(400))
    page.goto(f"{site}/?chat=reloaded")
    expect(page.locator("output")).to_have_text("ready")
    ask(page, "count 400 20")
    answer = page.locator("li[data-role=assistant]")
    expect(answer).to_contain_text("0 1 2 3 4 5 ")
    message_id = answer.get_attribute("data-id")
    for after in ("20 21 22 ", "45 46 47 "):
        page.reload()
        expect(page.locator("output")).to_have_text("streaming")
        expect(answer).to_contain_text(re.compile(f"^0 1 2 3 .*{after}"))
        assert answer.text_content() != numbers
    expect(page.locator("output")).to_have_text("ready")
    assert page.locator("li").all_text_contents() == ["count 400 20", numbers]
    assert answer.get_attribute("data-id") == message_id
    page.reload()
    expect(page.locator("output")).to_have_text("ready")
    assert page.locator("li").all_text_contents() == ["count 400 20", numbers]


@pytest.mark.rule("H2", "R7")
def test_a_second_window_joins_in_the_middle(site: str, page: Page) -> None:
    page.goto(f"{site}/?chat=shared")
    ask(page, "count 100 20")
    expect(page.locator("li[data-role=assistant]")).to_contain_text("0 1 2 ")
    second = page.context.browser.new_page()  # type: ignore[union-attr]
    second.set_default_timeout(PATIENCE_MS)
    second.goto(f"{site}/?chat=shared")
    numbers = "".join(f"{number} " for number in range(100))
    for each in (page, second):
        expect(each.locator("output")).to_have_text("ready")
        assert each.locator("li[data-role=assistant]").all_text_contents() == [numbers]
    second.close()


@pytest.mark.rule("H2", "R6")
def test_a_failure_is_the_error_that_use_chat_shows(site: str, page: Page) -> None:
    page.goto(f"{site}/?chat=failing")
    ask(page, "failing 2")
    expect(page.locator("output")).to_have_text("error: no model")
    expect(page.locator("li[data-role=assistant]")).to_have_text("0 1 ")


LISTEN = """async (url) => {
  const seen = { text: "", opened: 0 };
  const events = new EventSource(url);
  events.onopen = () => seen.opened++;
  events.onmessage = ({ data }) => (seen.text += JSON.parse(data).text ?? "");
  while (events.readyState !== EventSource.CLOSED) await new Promise((next) => setTimeout(next, 20));
  return seen;
}"""


@pytest.mark.rule("H1", "R3")
def test_an_event_source_of_a_browser_reads_to_the_end_and_does_not_come_back_for_ever(site: str, page: Page) -> None:
    page.goto(site)
    run_id = page.request.post(f"{site}/begin", params={"prompt": "count 30 5"}).json()
    seen = page.evaluate(LISTEN, f"{site}/runs/{run_id}/events")
    assert seen == {"text": "".join(f"{number} " for number in range(30)), "opened": 1}
