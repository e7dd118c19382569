"""Several models, chosen for a room by those who are there; what they cost; and what a room tells the assistant."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.chat.tests.browser.conftest import Enter, Picture, is_live, lose_and_find, problems_of, write
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.program import Program, running
from apps.chat.tests.browser.proxy import CuttableProxy
from apps.chat.tests.browser.test_budget import ask_toggle
from apps.chat.tests.browser.test_files import give
from apps.chat.tests.browser.test_journey import answers
from apps.chat.tests.browser.test_rooms import SMALL_AND_WIDE, details, go, make_room
from apps.chat.tests.files.test_files import picture as image

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

MODELS = """
currency = "EUR"

[[models]]
id = "small"
name = "Small"
model = "small-1"
url = "{url}"
input_price = 0.1
output_price = 0.4

[[models]]
id = "large"
name = "Large"
model = "large-1"
url = "{url}"
tier = "free"
context = 128_000
input_price = 2.5
output_price = 10
images = true

[[models]]
id = "expert"
name = "Expert"
model = "expert-1"
url = "{url}"
tier = "premium"
"""


@pytest.fixture(scope="module")
def server(model: ScriptedEndpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    folder: Path = tmp_path_factory.mktemp("chat")
    (folder / "models.toml").write_text(MODELS.format(url=model.url), "utf-8")
    with running(folder, MODELS=str(folder / "models.toml")) as program:
        yield program


def chip(page: Page, name: str) -> Locator:
    """The choice of models, which says which one answers."""
    return page.get_by_role("button", name=f"Model: {name}")


def test_a_model_is_chosen_for_all_in_the_room_and_its_cost_is_shown(
    enter: Enter, model: ScriptedEndpoint, proxy: CuttableProxy, picture: Picture
) -> None:
    model.answers("Because.", used=(4_000, 500))
    ada, bob = enter("Ada"), enter("Bob")
    for page in (ada, bob):
        ask_toggle(page).click()
        expect(chip(page, "Small")).to_be_visible()
    chip(ada, "Small").click()
    ada.get_by_role("radio", name="Expert").click()
    expect(ada.get_by_text("Expert is for premium accounts. An administrator can make yours one.")).to_be_visible()
    problems = problems_of(ada, "models", picture)
    ada.set_viewport_size({"width": 1280, "height": 800})
    ada.get_by_role("radio", name="Large").click()
    expect(chip(bob, "Large")).to_be_visible()

    write(bob, "Why?")
    for page in (ada, bob):
        answer = answers(page, "completed").last
        expect(answer).to_contain_text("Because.")
        expect(answer).to_contain_text("to you · Large" if page is bob else "to Bob · Large")
        expect(answer).to_contain_text("€0.015")
    assert model.models[-1] == "large-1"
    expect(details(bob)).to_contain_text("Today's answers cost €0.015")
    expect(details(bob)).to_contain_text("Large answers here")

    lose_and_find(proxy, ada, bob)
    for page in (ada, bob):
        expect(chip(page, "Large")).to_be_visible()
    bob.reload()
    is_live(bob)
    write(bob, "@ai And why that?")
    expect(answers(bob, "completed")).to_have_count(2)
    assert model.models[-1] == "large-1"
    assert problems == []


def test_a_phone_says_which_model_sees_no_pictures_and_keeps_stop_and_send_at_the_end(
    enter: Enter, model: ScriptedEndpoint
) -> None:
    eve = enter("Eve", has_touch=True, is_mobile=True)
    make_room(eve, "Pictures")
    eve.set_viewport_size({"width": 360, "height": 740})
    give(eve, "paste", "square.png", "image/png", image(16, 16))
    expect(eve.locator("[data-upload=done]")).to_have_count(1)
    blind = eve.get_by_text("Small sees no pictures: it is told only their names.")
    expect(blind).to_have_count(0)
    ask_toggle(eve).tap()
    expect(blind).to_be_visible()
    chip(eve, "Small").tap()
    eve.get_by_role("radio", name="Large").tap()
    expect(blind).to_have_count(0)

    model.begins("A ", then="square.")
    write(eve, "What is this?")
    expect(answers(eve, "answering")).to_be_visible()
    eve.get_by_role("textbox", name="Message").fill("And this?")
    stop, send = [eve.get_by_role("button", name=name, exact=True) for name in ("Stop", "Send")]
    expect(stop).to_be_visible()
    places = [each.bounding_box() for each in (stop, send)]
    assert places[0] is not None
    assert places[1] is not None
    assert places[0]["y"] == places[1]["y"]
    assert 360 - 20 < places[1]["x"] + places[1]["width"] < 360
    model.goes_on()
    expect(answers(eve, "completed")).to_contain_text("A square.")


def test_a_room_tells_the_assistant_what_all_who_are_there_can_read(
    enter: Enter, model: ScriptedEndpoint, proxy: CuttableProxy, picture: Picture
) -> None:
    model.answers("Arr.")
    ada, bob = enter("Ada"), enter("Bob")
    make_room(ada, "Ship")
    go(bob, "Ship")
    expect(details(bob).get_by_role("button", name="Change the settings…")).to_have_count(0)

    details(ada).get_by_role("button", name="Change the settings…").click()
    ada.get_by_label("Instructions for the assistant").fill("Talk like a pirate.\nNever say hello.")
    problems = problems_of(ada, "instructions", picture, SMALL_AND_WIDE)
    ada.set_viewport_size({"width": 1280, "height": 800})
    ada.get_by_role("button", name="Save").click()
    expect(details(bob)).to_contain_text("Talk like a pirate.")
    lose_and_find(proxy, bob)
    expect(details(bob)).to_contain_text("Talk like a pirate.")
    problems += problems_of(bob, "instructed", picture, SMALL_AND_WIDE)
    bob.set_viewport_size({"width": 1280, "height": 800})

    write(bob, "@ai Who are you?")
    expect(answers(ada, "completed").last).to_contain_text("Arr.")
    assert model.asked[-1][0]["content"].endswith("Talk like a pirate.\nNever say hello.")
    assert problems == []
