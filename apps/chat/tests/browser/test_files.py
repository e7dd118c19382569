"""Files: attached in every way, seen by the others, kept over a reload, and given to a model."""

import base64
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.chat.tests.browser.conftest import LIVE_MS, Enter, Picture, is_live, is_lost, problems_of, scripted_chat
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.test_editing import SMALL_AND_WIDE, act, row
from apps.chat.tests.browser.test_journey import answers, conversation
from apps.chat.tests.browser.test_page import FRAMES
from apps.chat.tests.files.test_files import picture as image

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser"), pytest.mark.timeout(300)]

server = scripted_chat(FREE_TOKENS="unlimited", MODEL_IMAGES="true", FILE_MEGABYTES="1")

GIVE = """
([how, name, type, content]) => {
  const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  const field = document.querySelector("main textarea");
  if (how === "paste") {
    field.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
    return;
  }
  for (const name of ["dragenter", "dragover", how]) {
    const event = new DragEvent(name, { dataTransfer: transfer, bubbles: true, cancelable: true });
    document.querySelector("main").dispatchEvent(event);
  }
}
"""
"""Pastes a file, drops it, or drags it over the page."""

INWARDS = """
() => {
  const transfer = new DataTransfer();
  transfer.items.add(new File(["x"], "x.txt"));
  const event = (name) => new DragEvent(name, { dataTransfer: transfer, bubbles: true });
  document.querySelector("main textarea").dispatchEvent(event("dragenter"));
  document.querySelector("main").dispatchEvent(event("dragleave"));
}
"""
"""Drags it on, into an element within."""


def give(page: Page, how: str, name: str, kind: str, content: bytes) -> None:
    page.evaluate(GIVE, [how, name, kind, base64.b64encode(content).decode()])


def test_files_are_attached_seen_kept_and_told_to_the_model(
    enter: Enter, model: ScriptedEndpoint, picture: Picture, tmp_path: Path
) -> None:
    model.answers("A teal square.")
    ada, bob = enter("Ada"), enter("Bob")
    (tmp_path / "notes.txt").write_text("The code word is heron.")
    (tmp_path / "large.bin").write_bytes(b"\0" * 1_000_001)
    attached = ada.get_by_role("list", name="Attached files").get_by_role("listitem")
    ada.get_by_label("Files to attach").set_input_files([tmp_path / "notes.txt", tmp_path / "large.bin"])
    expect(ada.get_by_text("large.bin is too large: a file can have 1 MB.")).to_be_visible()
    give(ada, "paste", "square.png", "image/png", image(1600, 900))
    give(ada, "dragover", "tall.png", "image/png", image(90, 1600))
    expect(ada.get_by_text("Drop files here")).to_be_visible()
    ada.evaluate(INWARDS)
    ada.evaluate(FRAMES)
    expect(ada.get_by_text("Drop files here")).to_be_visible()
    picture(ada, "files-dropping")
    give(ada, "drop", "tall.png", "image/png", image(90, 1600))
    expect(attached).to_have_count(3)
    expect(ada.locator("[data-upload=done]")).to_have_count(3, timeout=LIVE_MS)
    attached.filter(has_text="tall.png").get_by_role("button", name="Remove").click()
    expect(attached).to_have_count(2)
    problems = problems_of(ada, "files-attached", picture, SMALL_AND_WIDE[:1])
    ada.set_viewport_size({"width": 1280, "height": 800})
    ada.reload()
    is_live(ada)
    expect(attached).to_have_count(2)
    ada.get_by_role("textbox", name="Message").fill("@ai What is this?")
    ada.get_by_role("button", name="Send").click()
    expect(attached).to_have_count(0)
    for page in (ada, bob):
        shown = row(page, "What is this?").get_by_role("img", name="square.png")
        expect(shown).to_be_visible(timeout=LIVE_MS)
        loaded: Any = shown.evaluate("async (each) => { await each.decode(); return each.naturalWidth; }")
        assert loaded == 1600
        expect(shown.locator("..")).to_have_js_property("offsetWidth", 420)
        expect(shown.locator("..")).to_have_js_property("offsetHeight", 236)
        expect(answers(page, "completed").last).to_contain_text("A teal square.", timeout=LIVE_MS)
    [*_, asked] = model.asked[-1]
    told: Any = asked["content"]
    assert "The code word is heron." in told[0]["text"]
    assert told[1]["image_url"]["url"].startswith("data:image/jpeg;base64,")
    with bob.expect_download() as saving:
        row(bob, "What is this?").get_by_role("link", name="notes.txt").click()
    assert Path(saving.value.path()).read_text() == "The code word is heron."
    problems += problems_of(bob, "files-sent", picture, SMALL_AND_WIDE)
    bob.set_viewport_size({"width": 1280, "height": 800})

    bob.context.set_offline(True)
    is_lost(bob)
    give(ada, "paste", "late.png", "image/png", image(300, 200))
    expect(ada.locator("[data-upload=done]")).to_have_count(1, timeout=LIVE_MS)
    ada.get_by_role("button", name="Send").click()
    expect(conversation(ada).get_by_role("img", name="late.png")).to_be_visible(timeout=LIVE_MS)
    bob.context.set_offline(False)
    is_live(bob)
    expect(conversation(bob).get_by_role("img", name="late.png")).to_be_visible(timeout=LIVE_MS)

    act(ada, row(ada, "What is this?"), "Delete")
    ada.get_by_role("dialog").get_by_role("button", name="Delete", exact=True).click()
    expect(conversation(bob).get_by_role("img", name="square.png")).to_have_count(0, timeout=LIVE_MS)

    ada.get_by_role("textbox", name="Message").fill("A long story.\n" + "word " * 6_000)
    expect(ada.get_by_text("30,013 of 32,000 characters")).to_be_visible()
    ada.get_by_role("button", name="Send").click()
    expect(row(bob, "A long story.").get_by_role("button", name="Show all")).to_be_visible(timeout=LIVE_MS)
    picture(bob, "long-folded")
    row(bob, "A long story.").get_by_role("button", name="Show all").click()
    expect(row(bob, "A long story.").get_by_role("button", name="Show less")).to_be_visible()
    assert problems == []
