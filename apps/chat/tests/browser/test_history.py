"""A room with 6,000 messages: earlier ones come in small steps that move nothing, and the page stays small."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps.chat.tests.browser.conftest import Enter
from apps.chat.tests.browser.history_speed import Meter, fill
from apps.chat.tests.browser.loop_thread import LoopThread
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.program import Program, running

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

MESSAGES, PAGE = 6_000, 50
MEGABYTES = 20
MOST_ROWS = 750
"""In the page at once: the window of `room-view.ts`, and a page."""
BACK = """
async (wanted) => {
  // Goes up until so many messages were put above: how many by each change, and how far a row in view moved.
  const log = document.querySelector("[role=log]");
  const rows = () => [...log.querySelectorAll("[data-message]")];
  // Where a row is painted: what is asked for between two frames is not always what is seen.
  const painted = (row) => new Promise((told) => {
    const watch = new IntersectionObserver(([entry]) => { watch.disconnect(); told(entry.boundingClientRect.top); });
    watch.observe(row);
  });
  const added = [], moves = [];
  let first = rows()[0];
  new MutationObserver(() => {
    const count = rows().indexOf(first);
    if (count > 0) added.push(count);
    first = rows()[0];
  }).observe(log, { childList: true, subtree: true });
  const box = log.getBoundingClientRect();
  const middle = () => document.elementsFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  let row, top;
  while (added.reduce((sum, each) => sum + each, 0) < wanted) {
    if (!row || (log.scrollTop > 300 && !log.textContent.includes("Loading earlier"))) {
      log.scrollTop = 300;
      await painted(log);
      row = middle().map((each) => each.closest("[data-message]")).find(Boolean);
      top = row && await painted(row);
    } else {
      const now = await painted(row);
      moves.push(now - top);
      top = now;
    }
  }
  return { added, moves, rows: rows().length };
}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, model: ScriptedEndpoint) -> Iterator[Program]:
    data: Path = tmp_path_factory.mktemp("chat")
    loop = LoopThread()
    loop.run(fill(f"sqlite:///{data / 'hubline-chat.db'}", MESSAGES))
    loop.close()
    with running(data, MODEL_URL=model.url, MODEL="small") as program:
        yield program


def opened(enter: Enter) -> Page:
    page = enter("Reader")
    expect(page.locator("[data-message]")).to_have_count(PAGE)
    return page


def test_an_earlier_page_comes_in_small_steps_and_moves_nothing(enter: Enter) -> None:
    told = opened(enter).evaluate(BACK, 3 * PAGE)
    assert sum(told["added"]) >= 3 * PAGE
    assert max(told["added"]) <= 8
    assert [each for each in told["moves"] if abs(each) > 1.5] == []


def test_a_page_that_has_read_far_back_is_small(enter: Enter) -> None:
    page = opened(enter)
    told = page.evaluate(BACK, 20 * PAGE)
    assert told["rows"] <= MOST_ROWS
    assert Meter(page).megabytes() < MEGABYTES
