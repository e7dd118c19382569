"""The page as an application: it can be installed, and starts without a network with what was typed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from apps.chat.tests.browser.conftest import Enter, Picture, is_live, problems_of, write
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.program import Program, running
from apps.chat.tests.browser.proxy import CuttableProxy
from apps.chat.tests.browser.test_journey import conversation
from hubline_chat.settings import ChatSettings

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

KEPT = """
async () => {
  const found = [];
  for (const name of await caches.keys()) {
    for (const request of await (await caches.open(name)).keys()) found.push(new URL(request.url).pathname);
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the built page, which a test can replace by a newer one."""
    built, copy = ChatSettings().web, tmp_path_factory.mktemp("web") / "dist"
    copy.mkdir()
    (copy / "assets").symlink_to(built / "assets")
    for file in built.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    return copy


@pytest.fixture(scope="module")
def server(model: ScriptedEndpoint, web: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with running(tmp_path_factory.mktemp("chat"), MODEL_URL=model.url, MODEL="small", WEB=str(web)) as program:
        yield program


def test_the_page_starts_without_a_network_and_is_never_an_old_one(
    enter: Enter, proxy: CuttableProxy, web: Path, picture: Picture
) -> None:
    page = enter("Ada", service_workers="allow")
    manifest = json.loads((web / "manifest.webmanifest").read_text("utf-8"))
    assert all((web / icon["src"]).is_file() for icon in manifest["icons"])
    assert page.evaluate("async () => (await navigator.serviceWorker.ready).scope") == enter.url
    kept = page.evaluate(KEPT)
    assert "/" in kept
    assert not [path for path in kept if re.search("/api|chatHub|mermaid|katex", path, re.IGNORECASE)]
    write(page, "Said before")
    expect(conversation(page)).to_contain_text("Said before")
    page.get_by_role("textbox", name="Message").fill("Half a thought")

    proxy.cut()
    page.reload()
    expect(page.get_by_role("heading", name="The server cannot be reached")).to_be_visible()
    expect(page.get_by_text("What you have written is kept on this device.")).to_be_visible()
    problems = problems_of(page, "offline", picture, ((360, 740), (1280, 800)))
    proxy.mend()
    is_live(page)
    expect(page.get_by_role("textbox", name="Message")).to_have_value("Half a thought")
    expect(conversation(page)).to_contain_text("Said before")

    index = web / "index.html"  # a newer version is put there
    index.write_text(index.read_text("utf-8").replace("<body>", '<body data-version="2">'), "utf-8")
    page.reload()
    is_live(page)
    assert page.evaluate("() => document.body.dataset.version") == "2"
    assert problems == []
