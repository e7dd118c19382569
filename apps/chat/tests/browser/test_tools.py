"""Tools of the assistant, with a real MCP server: shown in the answer, agreed to in any browser, whatever breaks."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from apps.chat.tests.browser.conftest import (
    LIVE_MS,
    PASSWORD,
    Enter,
    People,
    Picture,
    is_live,
    lose_and_find,
    problems_of,
    sign_in,
    write,
)
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.program import Program, running
from apps.chat.tests.browser.proxy import CuttableProxy
from apps.chat.tests.browser.test_journey import answers
from apps.chat.tests.browser.test_rooms import details
from apps.chat.tests.tools.test_mcp import file_of_notes

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def settings(model: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    file = file_of_notes(tmp_path_factory.mktemp("mcp"))
    return {"MODEL_URL": model.url, "MODEL": "small", "MODEL_TOOLS": "true", "MCP": str(file)}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chat")


@pytest.fixture(scope="module")
def server(data: Path, settings: dict[str, str]) -> Iterator[Program]:
    with running(data, **settings) as program:
        yield program


def tool(page: Page, name: str) -> Locator:
    """The newest use of a tool."""
    return page.locator("details[data-tool]", has_text=name).last


def question(page: Page) -> Locator:
    return page.get_by_role("group", name="The assistant asks")


def test_a_tool_that_writes_waits_for_a_person_in_any_browser_and_outlives_the_server(
    enter: Enter,
    browser: Browser,
    server: Program,
    data: Path,
    settings: dict[str, str],
    model: ScriptedEndpoint,
    proxy: CuttableProxy,
    picture: Picture,
) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    phone = enter("Ada")
    zone = details(bob)
    expect(zone).to_contain_text("Add a note", timeout=LIVE_MS)
    expect(zone).to_contain_text("notes · asks before")

    model.asks_for("calculator", {"expression": "6 * 7"}, "It is 42.", said="Let me see.")
    write(ada, "@ai How much is 6 * 7?")
    for page in (ada, bob):
        expect(answers(page, "completed").last).to_contain_text("It is 42.")
        expect(tool(page, "Calculator")).to_have_attribute("data-tool", "output-available")
    tool(bob, "Calculator").locator("summary").click()
    expect(tool(bob, "Calculator")).to_contain_text("6 * 7")

    long = "Buy tea, " + "the green one that we had last time, " * 10
    model.asks_for("notes_add_note", {"text": long}, "I have noted it.", said="I will note that.")
    write(ada, "@ai Note that we need tea.")
    expect(question(ada).get_by_role("button", name="Yes")).to_be_visible()
    expect(question(bob)).to_contain_text("Waiting for Ada or admin")
    expect(question(ada).get_by_role("alert")).to_have_text("Use “Add a note” of notes?")
    expect(question(ada).get_by_role("term")).to_have_text(["text"])
    expect(question(ada).get_by_role("definition")).not_to_contain_text(long.strip())
    question(ada).get_by_role("button", name="Show all").click()
    expect(question(ada).get_by_role("definition")).to_contain_text(long.strip())
    expect(tool(bob, "Add a note")).to_contain_text("waits for a decision")
    lose_and_find(proxy, ada, bob, phone)
    problems = problems_of(ada, "tool-asks", picture)
    ada.set_viewport_size({"width": 1280, "height": 800})
    question(phone).get_by_role("button", name="Yes").click()
    for page in (ada, bob, phone):
        expect(answers(page, "completed").last).to_contain_text("I have noted it.", timeout=LIVE_MS)
        expect(tool(page, "Add a note")).to_contain_text("agreed by Ada")
        expect(question(page)).to_have_count(0)
    tool(ada, "Add a note").locator("summary").click()
    expect(tool(ada, "Add a note")).to_contain_text("Added: Buy tea, the green one")

    model.asks_for("notes_add_note", {"text": "Buy coffee"}, "As you like.")
    write(ada, "@ai And coffee.")
    question(ada).get_by_role("button", name="No").click()
    expect(tool(bob, "Add a note")).to_contain_text("declined by Ada")
    expect(answers(bob, "completed").last).to_contain_text("As you like.")
    problems += problems_of(bob, "tools-used", picture, ((360, 740), (1280, 800)))

    model.asks_for("notes_add_note", {"text": "Buy cake"}, "Cake it is.", said="One moment.")
    write(ada, "@ai And cake.")
    expect(question(ada)).to_be_visible()
    expect(answers(bob, "waiting").last).to_contain_text("One moment.")
    server.kill()
    with running(data, **settings) as again, CuttableProxy(again.port) as line:
        people = People(browser, line.url, {})
        late = people.stranger()
        sign_in(late, "Ada", PASSWORD)
        is_live(late)
        broken = answers(late, "interrupted").last
        expect(broken).to_contain_text("One moment.")
        expect(tool(late, "Add a note")).to_contain_text("was not decided")
        broken.get_by_role("button", name="Continue").click()
        question(late).get_by_role("button", name="Yes").click()
        expect(answers(late, "completed").last).to_contain_text("Cake it is.")
        expect(tool(late, "Add a note")).to_contain_text("agreed by Ada")
        people.close()
        assert people.problems == []
    assert problems == []
