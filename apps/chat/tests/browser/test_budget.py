"""What an answer may cost: the premium model, and the tokens of a day."""

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.chat.tests.browser.conftest import (
    Enter,
    Picture,
    is_live,
    open_account_menu,
    problems_of,
    scripted_chat,
    sign_in,
    write,
)
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.program import Program
from apps.chat.tests.browser.test_journey import answers, shown_text

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

FREE_TOKENS = 400
SENTENCE = "The line stays open while words arrive one by one. "

server = scripted_chat(PREMIUM_MODEL="large", FREE_TOKENS=str(FREE_TOKENS), SYSTEM_PROMPT="Be brief.")


def ask_toggle(page: Page) -> Locator:
    return page.locator("button[aria-pressed]", has_text="Ask")


def ask(page: Page, text: str) -> None:
    if ask_toggle(page).get_attribute("aria-pressed") == "false":
        ask_toggle(page).click()
    write(page, text)


def choose_premium(page: Page) -> None:
    ask_toggle(page).click()
    page.get_by_role("button", name="Model:").click()
    page.get_by_role("radio", name="Premium").click()


def test_premium_is_refused_with_the_reason_and_granted_without_a_reload(
    enter: Enter, server: Program, model: ScriptedEndpoint, picture: Picture
) -> None:
    model.answers("Granted.")
    ada = enter("Ada")
    choose_premium(ada)
    expect(ada.get_by_text("Premium is for premium accounts. An administrator can make yours one.")).to_be_visible()
    expect(ada.get_by_role("radio", name="Standard")).to_be_checked()
    problems = problems_of(ada, "premium-refused", picture)
    ada.set_viewport_size({"width": 1280, "height": 800})
    ada.keyboard.press("Escape")

    admin = enter.stranger()
    sign_in(admin, "admin", server.password)
    is_live(admin)
    open_account_menu(admin)
    admin.get_by_role("button", name="People", exact=True).click()
    admin.get_by_label("Tier of Ada").select_option("premium")
    expect(admin.get_by_text("Ada is premium now.")).to_be_visible()

    expect(ada.get_by_role("button", name="Account: Ada")).to_contain_text("Premium")
    ada.get_by_role("button", name="Model:").click()
    ada.get_by_role("radio", name="Premium").click()
    expect(ada.get_by_role("button", name="Model: Premium")).to_be_visible()
    ask(ada, "Who are you?")
    expect(answers(ada, "completed").last).to_contain_text("Premium")
    assert shown_text(answers(ada).last) == "Granted."
    assert model.models[-1] == "large"
    assert problems == []


def test_a_budget_that_ends_in_the_middle_of_an_answer_keeps_what_was_said_and_says_so(
    enter: Enter, model: ScriptedEndpoint, picture: Picture
) -> None:
    model.answers(*[SENTENCE] * 100)
    bob = enter("Bob")
    bob.get_by_role("button", name="Who is here").click()
    details = bob.get_by_role("complementary", name="Room details")
    expect(details).to_contain_text(f"{FREE_TOKENS} of {FREE_TOKENS} tokens left today, resets")
    ask(bob, "Tell me everything.")
    answer = answers(bob, "limited").last
    expect(answer).to_be_visible()
    expect(answer).to_contain_text("tokens of today are used up")
    assert shown_text(answer).startswith(SENTENCE)
    assert len(shown_text(answer)) < len(SENTENCE * 100)
    expect(details).to_contain_text(f"Today's {FREE_TOKENS} tokens are used up, resets")
    expect(details.get_by_role("meter", name="Tokens left today")).to_have_attribute("aria-valuenow", "0")

    bob.get_by_role("textbox", name="Message").fill("And then?")
    expect(bob.get_by_text("Your tokens for today are used up.")).to_be_visible()
    expect(bob.get_by_role("button", name="Send")).to_be_disabled()
    assert problems_of(bob, "used-up", picture) == []
    bob.set_viewport_size({"width": 1280, "height": 800})
    ask_toggle(bob).click()
    bob.get_by_role("button", name="Send").click()
    kept = shown_text(answer)
    bob.reload()
    is_live(bob)
    assert shown_text(answers(bob, "limited").last) == kept
