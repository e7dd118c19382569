"""Two people and the assistant: the journey that the chat is for."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.chat.tests.browser.conftest import LIVE_MS, Enter, Picture, problems_of, write
from apps.chat.tests.browser.proxy import CuttableProxy

pytestmark = [pytest.mark.browser, pytest.mark.model, pytest.mark.timeout(300)]

ANSWER_MS = 60_000

WATCH = """
() => {
  const seen = (window.growth = []);
  const log = document.querySelector('[role=log]');
  new MutationObserver(() => {
    const texts = log.querySelectorAll('article[data-answer-state] [data-answer-text]');
    const length = texts.length ? texts[texts.length - 1].textContent.length : 0;
    if (length && length !== seen.at(-1)) seen.push(length);
  }).observe(log, { childList: true, subtree: true, characterData: true });
}
"""


def conversation(page: Page) -> Locator:
    return page.get_by_role("log", name="Conversation")


def answers(page: Page, state: str | None = None) -> Locator:
    return conversation(page).locator(f"article[data-answer-state={state}]" if state else "article[data-answer-state]")


def shown_text(answer: Locator) -> str:
    return re.sub(r"\s+", " ", answer.locator("[data-answer-text]").inner_text()).strip()


def test_a_message_crosses_and_an_answer_grows_in_both_windows(enter: Enter, picture: Picture) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    write(ada, "Hello from Ada")
    expect(conversation(bob)).to_contain_text("Hello from Ada")
    write(bob, "Hello from Bob")
    expect(conversation(ada)).to_contain_text("Hello from Bob")

    for page in (ada, bob):
        page.evaluate(WATCH)
    write(ada, "@ai Explain in a few paragraphs why the sky is blue.")
    expect(answers(bob, "answering").last).to_be_visible(timeout=ANSWER_MS)
    picture(bob, "answering")
    for page in (ada, bob):
        expect(answers(page, "completed").last).to_be_visible(timeout=ANSWER_MS)
        growth = page.evaluate("() => window.growth")
        assert len(growth) > 5, f"the answer came in {len(growth)} steps"
    assert shown_text(answers(ada).last) == shown_text(answers(bob).last) != ""
    picture(ada, "answered")


def test_stop_keeps_what_was_said_and_the_next_question_is_answered(enter: Enter, picture: Picture) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    write(ada, "@ai Write a very long story about a lighthouse keeper.")
    expect(answers(bob, "answering").last).to_be_visible(timeout=ANSWER_MS)
    ada.get_by_role("button", name="Stop").first.click()
    for page in (ada, bob):
        expect(answers(page, "stopped").last).to_be_visible(timeout=LIVE_MS)
    stopped = shown_text(answers(ada, "stopped").last)
    assert stopped == shown_text(answers(bob, "stopped").last) != ""
    picture(ada, "stopped")
    count = answers(bob, "completed").count()
    write(bob, "@ai Say hello.")
    expect(answers(bob, "completed")).to_have_count(count + 1, timeout=ANSWER_MS)
    assert shown_text(answers(ada, "stopped").last) == stopped


def test_a_cut_connection_is_shown_and_heals_with_nothing_lost(
    enter: Enter, proxy: CuttableProxy, picture: Picture
) -> None:
    ada = enter("Ada")
    count = answers(ada, "completed").count()
    write(ada, "@ai Explain how rain forms, in several paragraphs.")
    expect(answers(ada, "answering").last).to_be_visible(timeout=ANSWER_MS)
    proxy.cut()
    status = ada.get_by_role("status", name="Connection")
    expect(status).to_contain_text("Reconnecting", timeout=LIVE_MS)
    write(ada, "Written while offline")
    picture(ada, "reconnecting")
    proxy.mend()
    expect(status).to_contain_text("Live", timeout=LIVE_MS)
    expect(answers(ada, "completed")).to_have_count(count + 1, timeout=ANSWER_MS)
    # Somebody who was never away sees the same: the whole answer, and the message once.
    bob = enter("Bob")
    expect(conversation(bob).get_by_text("Written while offline")).to_have_count(1)
    expect(conversation(ada).get_by_text("Written while offline")).to_have_count(1)
    assert shown_text(answers(ada, "completed").last) == shown_text(answers(bob, "completed").last)


def test_everybody_can_use_it(enter: Enter, picture: Picture) -> None:
    page = enter("Ada")
    write(page, "Is everything within reach?")
    expect(conversation(page)).to_contain_text("Is everything within reach?")
    assert problems_of(page, "room", picture) == []


@pytest.mark.parametrize("choice", ["Server-Sent Events", "Long polling", "WebSockets"])
def test_another_transport_can_be_chosen(enter: Enter, choice: str) -> None:
    page = enter("Ada")
    page.get_by_role("button", name="Diagnostics").click()
    page.get_by_role("radio", name=choice).check()
    live = re.compile(rf"Live\s*·\s*{choice}")
    expect(page.get_by_role("status", name="Connection")).to_have_text(live, timeout=LIVE_MS)
    page.keyboard.press("Escape")
    write(page, f"Sent over {choice}")
    expect(conversation(enter("Bob"))).to_contain_text(f"Sent over {choice}")
