"""How the page does with a long history: `python -m apps.chat.tests.browser.history_speed 10000 100000`.

For each number of messages: the first paint, the frames while a reader scrolls back through the history, the work that
keeps one waiting longest, and what the page keeps in memory. The figures are those of the machine, so they are printed
and not tested. On a busy machine frames are late whatever the page does: what it does itself is the processor's time.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from apps.chat.tests.browser.conftest import People
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.program import running
from hubline_chat.contract import Message, Person
from hubline_chat.store import Store
from tests.chromium import launched

BATCH = 5_000
SECONDS = 10.0
"""Of scrolling."""
STEP = 60
"""Pixels in a frame: 3,600 in a second at 60 frames."""
TEXTS = (
    "Good morning!",
    "Has anybody tried the new streaming endpoint yet? It works like a charm over WebSockets. " * 3,
    "1. one\n2. two\n\n```python\nprint('three')\n```",
    "See https://example.com/hubline/docs for **more**, and `code` between.",
)
SCROLL = """
([step, seconds]) => new Promise((done) => {
  const log = document.querySelector("[role=log]");
  const times = [], tasks = [];
  const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map((each) => each.duration)));
  observer.observe({ type: "longtask" });
  const begin = performance.now();
  let last = begin, pixels = 0;
  const frame = (now) => {
    times.push(now - last);
    last = now;
    const top = log.scrollTop;
    log.scrollTop = top - step;
    pixels += top - log.scrollTop;
    if (now - begin < 1000 * seconds) requestAnimationFrame(frame);
    else { observer.disconnect(); done({ times: times.slice(1), tasks, pixels }); }
  };
  requestAnimationFrame(frame);
})
"""
PAINT = "() => performance.getEntriesByType('paint').find((each) => each.name === 'first-contentful-paint').startTime"
ROWS = "() => document.querySelectorAll('[role=log] [data-message]').length"
SPENT = ("Script", "Layout", "RecalcStyle", "Task")
TRACED = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"]
ROUNDS = 3
NODES = "() => document.querySelectorAll('*').length"


def said(seq: int) -> Message:
    moment = datetime.now(UTC) - timedelta(days=300) + timedelta(minutes=seq)
    author = Person(f"p{seq // 3 % 4}", ("Ada", "Bob", "Grace", "Linus")[seq // 3 % 4])
    return Message(f"m{seq}", "general", seq, "person", author, f"{seq}. {TEXTS[seq % len(TEXTS)]}", moment)


async def fill(url: str, count: int) -> None:
    store = Store(url)
    await store.open()
    for first in range(1, count + 1, BATCH):
        await store.messages.add([said(seq) for seq in range(first, min(first + BATCH, count + 1))])
    await store.close()


@contextmanager
def opened(browser: Browser, url: str) -> Iterator[Page]:
    people = People(browser, url, {})
    try:
        yield people("Reader")
    finally:
        people.close()


def told(times: Sequence[float], tasks: Sequence[float], pixels: float) -> str:
    ordered = sorted(times)
    at = {share: ordered[int(len(ordered) * share)] for share in (0.5, 0.95, 0.99)}
    late = sum(time > 1.5 * 1000 / 60 for time in times) / len(times)
    return (
        f"{len(times) / sum(times) * 1000:.0f} frames/s over {pixels:,.0f} px;"
        f" frame p50 {at[0.5]:.1f}, p95 {at[0.95]:.1f}, p99 {at[0.99]:.1f}, longest {ordered[-1]:.0f} ms;"
        f" {late:.1%} later than one and a half frames; {len(tasks)} tasks over 50 ms,"
        f" the longest {max(tasks, default=0):.0f} ms"
    )


class Meter:
    """What Chromium counts of a page. Durations are the processor's time, hardly changed by a busy machine."""

    def __init__(self, page: Page) -> None:
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def now(self) -> dict[str, float]:
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return {each["name"]: float(each["value"]) for each in metrics}

    def megabytes(self) -> float:
        """JavaScript after a collection."""
        self._session.send("HeapProfiler.collectGarbage")
        return self.now()["JSHeapUsedSize"] / 1e6

    def scroll(self, page: Page) -> str:
        """The reader goes back for some seconds."""
        before = self.now()
        run = page.evaluate(SCROLL, [STEP, SECONDS])
        after = self.now()
        spent = ((name, after[f"{name}Duration"] - before[f"{name}Duration"]) for name in SPENT)
        each = ", ".join(f"{name} {1000 * seconds / len(run['times']):.2f}" for name, seconds in spent)
        return f"{told(run['times'], run['tasks'], run['pixels'])}; processor per frame in ms: {each}"


def work(trace: bytes) -> str:
    """What Chromium did for the page between two frames: the processor's time of each piece of work."""
    events = json.loads(trace)["traceEvents"]
    main = {(each["pid"], each["tid"]) for each in events if each.get("args", {}).get("name") == "CrRendererMain"}
    spent: dict[tuple[int, int], list[float]] = {each: [] for each in main}
    for each in events:
        if each["name"] == "RunTask" and (each["pid"], each["tid"]) in main and "tdur" in each:
            spent[each["pid"], each["tid"]].append(each["tdur"] / 1000)
    times = max(spent.values(), key=sum)
    over = ", ".join(f"{sum(time > limit for time in times)} over {limit} ms" for limit in (16, 30, 50))
    return f"the processor's time of one piece of work: {over}, the longest {max(times):.0f} ms"


def measure(browser: Browser, directory: Path, count: int) -> None:
    with (
        ScriptedEndpoint() as model,
        running(directory, MODEL_URL=model.url, MODEL="small") as program,
        opened(browser, f"http://127.0.0.1:{program.port}/") as page,
    ):
        page.reload()
        page.locator("[data-message]").last.wait_for()
        meter = Meter(page)
        say(f"{count:,} messages: first paint {page.evaluate(PAINT):.0f} ms, {meter.megabytes():.1f} MB")
        for _ in range(ROUNDS):
            browser.start_tracing(page=page, categories=TRACED)
            say(f"  {meter.scroll(page)}")
            say(f"    {work(browser.stop_tracing())}")
        say(f"  then {meter.megabytes():.1f} MB, {page.evaluate(ROWS)} rows, {page.evaluate(NODES):,} elements;")
        say(f"  load of the machine {os.getloadavg()[0]:.1f}")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main(counts: Sequence[int]) -> None:
    with tempfile.TemporaryDirectory() as parent:
        directories = [Path(parent) / str(count) for count in counts]
        for directory, count in zip(directories, counts, strict=True):
            directory.mkdir()
            asyncio.run(fill(f"sqlite:///{directory / 'hubline-chat.db'}", count))
        with sync_playwright() as playwright:
            browser = launched(playwright)
            for directory, count in zip(directories, counts, strict=True):
                measure(browser, directory, count)
            browser.close()


if __name__ == "__main__":
    main([int(each) for each in sys.argv[1:]] or [10_000, 100_000])
