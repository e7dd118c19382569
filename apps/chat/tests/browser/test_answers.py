"""Answers that survive: a reload, a second browser, a network that goes, a server that is killed."""

import contextlib
import sqlite3
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from apps.chat.tests.browser.conftest import LIVE_MS, Enter, People, Picture, is_live, problems_of, scripted_chat, write
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.program import running
from apps.chat.tests.browser.proxy import CuttableProxy
from apps.chat.tests.browser.test_accounts import make_private_room, rooms
from apps.chat.tests.browser.test_journey import answers, conversation, shown_text

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

WHOLE = "Once upon a time there was a line that stayed open."
HALF, REST = WHOLE[:17], WHOLE[17:]

server = scripted_chat(MODEL_SLOTS="4")


def has_half(page: Page) -> None:
    expect(answers(page, "answering").last).to_contain_text(HALF.strip(), timeout=LIVE_MS)
    assert shown_text(answers(page).last) == HALF.strip()


def test_an_answer_goes_on_over_a_reload_a_second_browser_and_a_cut(
    enter: Enter, proxy: CuttableProxy, model: ScriptedEndpoint, picture: Picture
) -> None:
    model.begins(HALF, then=REST)
    ada = enter("Ada")
    before = answers(ada, "completed").count()
    write(ada, "@assistant A story!")
    has_half(ada)
    ada.reload()
    is_live(ada)
    has_half(ada)
    picture(ada, "reloaded-in-the-middle")
    bob, second = enter("Bob"), enter("Ada")
    for page in (bob, second):
        has_half(page)
    proxy.cut()
    for page in (ada, bob, second):
        expect(page.get_by_role("status", name="Connection")).to_contain_text("Reconnecting", timeout=LIVE_MS)
    has_half(ada)
    model.goes_on()
    proxy.mend()
    for page in (ada, bob, second):
        expect(answers(page, "completed")).to_have_count(before + 1, timeout=LIVE_MS)
        assert shown_text(answers(page).last) == WHOLE
    assert len(model.asked) == 1


def test_questions_of_a_room_wait_in_a_line_that_everybody_sees(
    enter: Enter, model: ScriptedEndpoint, picture: Picture
) -> None:
    model.begins(HALF, then=REST)
    ada, bob = enter("Ada"), enter("Bob")
    before = answers(ada, "completed").count()
    for number, page in enumerate((ada, bob, ada), before + 1):
        write(page, "@ai A story!")
        for other in (ada, bob):  # the next one comes after it
            expect(answers(other).and_(other.locator("[data-message]"))).to_have_count(number, timeout=LIVE_MS)
    for page in (ada, bob):
        expect(answers(page, "queued")).to_have_count(2)
    expect(answers(ada, "queued").first).to_contain_text("1 question before this one")
    expect(answers(bob, "queued").last).to_contain_text("2 questions before this one")
    picture(ada, "queue")
    model.goes_on()
    for page in (ada, bob):
        expect(answers(page, "completed")).to_have_count(before + 3)
        assert shown_text(answers(page).last) == WHOLE


def test_a_double_click_on_send_stops_no_answer(enter: Enter, model: ScriptedEndpoint) -> None:
    model.begins(HALF, then=REST)
    ada = enter("Ada")
    before = answers(ada, "completed").count()
    write(ada, "@ai A story!")
    has_half(ada)
    ada.get_by_role("textbox", name="Message").fill("I am all ears")
    ada.get_by_role("button", name="Send").dblclick()
    expect(conversation(ada).get_by_text("I am all ears")).to_have_count(1)
    model.goes_on()
    expect(answers(ada, "completed")).to_have_count(before + 1)
    assert shown_text(answers(ada).last) == WHOLE


def test_what_the_model_thinks_is_folded(enter: Enter, model: ScriptedEndpoint, picture: Picture) -> None:
    model.begins(then=WHOLE, thinks="They want a story about a line.")
    ada = enter("Ada")
    before = answers(ada, "completed").count()
    write(ada, "@ai A story!")
    thoughts = answers(ada, "thinking").locator("[data-reasoning]")
    expect(thoughts).to_contain_text("Reasoning…")
    expect(thoughts.get_by_text("They want a story")).to_be_hidden()
    model.goes_on()
    expect(answers(ada, "completed")).to_have_count(before + 1)
    expect(answers(ada, "completed").last).to_contain_text(WHOLE)
    ada.reload()
    is_live(ada)
    last = answers(ada, "completed").last
    last.get_by_text("Reasoning").click()
    expect(last.get_by_text("They want a story")).to_be_visible()
    assert problems_of(ada, "reasoning", picture) == []


def test_the_assistant_asks_before_it_clears_a_room(enter: Enter, picture: Picture) -> None:
    ada = enter("Ada")
    make_private_room(ada, "Drafts")
    write(ada, "The first draft")
    write(ada, "@ai please clear the history")
    question = ada.get_by_role("group", name="The assistant asks")
    expect(question).to_contain_text("Delete 1 message of Drafts?")
    problems = problems_of(ada, "approval", picture)
    ada.set_viewport_size({"width": 1280, "height": 800})
    ada.reload()
    is_live(ada)
    expect(conversation(ada)).to_contain_text("The first draft")
    question.get_by_role("button", name="Yes").click()
    expect(answers(ada, "completed").last).to_contain_text("Done: Ada agreed")
    expect(conversation(ada).get_by_text("The first draft")).to_have_count(0)
    expect(rooms(ada).get_by_text("Drafts")).to_be_visible()
    assert problems == []


def is_stored(page: Page, text: str, data: Path) -> None:
    """Waits until the database has this as the text of the newest message."""
    for _ in range(600):
        with contextlib.closing(sqlite3.connect(data / "hubline-chat.db")) as database:
            [stored] = database.execute("SELECT text FROM messages ORDER BY seq DESC LIMIT 1").fetchone()
        if stored == text:
            return
        page.wait_for_timeout(100)
    pytest.fail(f"the newest message is {stored!r}, not {text!r}")


def test_after_a_kill_the_answer_says_so_and_goes_on_from_where_it_stopped(
    browser: Browser, model: ScriptedEndpoint, picture: Picture, tmp_path: Path
) -> None:
    model.begins(HALF, then="never")
    settings = {"MODEL_URL": model.url, "MODEL": "small"}
    with running(tmp_path, **settings) as first, CuttableProxy(first.port) as line:
        people = People(browser, line.url, {})
        ada = people("Ada")
        write(ada, "@ai A story!")
        has_half(ada)
        is_stored(ada, HALF, tmp_path)
        first.kill()
        model.begins(REST, then="")
        with running(tmp_path, **settings) as second:
            line.port = second.port
            cut = answers(ada, "interrupted").last
            expect(cut).to_contain_text("A server restart interrupted the answer.", timeout=LIVE_MS)
            assert shown_text(cut) == HALF.strip()
            assert problems_of(ada, "interrupted", picture) == []
            ada.set_viewport_size({"width": 1280, "height": 800})
            ada.reload()
            is_live(ada)
            cut.get_by_role("button", name="Continue").click()
            expect(answers(ada, "answering").last).to_contain_text(WHOLE[:40])
            model.goes_on()
            expect(answers(ada, "completed")).to_have_count(1)
            assert shown_text(answers(ada).last) == WHOLE
            assert [turn["content"] for turn in model.asked[-1]][1:3] == ["A story!", HALF]
            people.close()
    assert people.problems == []
