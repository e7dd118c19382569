"""Formulas and diagrams in answers, whose programs are fetched when they are needed."""

from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from playwright.sync_api import Page, expect

from apps.chat.tests.browser.conftest import (
    LIVE_MS,
    SCHEMES,
    Enter,
    Picture,
    is_live,
    problems_of,
    scripted_chat,
    write,
)
from apps.chat.tests.browser.model import ScriptedEndpoint
from apps.chat.tests.browser.test_journey import answers

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

ANSWER = r"""Euler found that \(e^{i\pi} + 1 = 0\), and for $x_1 < x_2$ it costs $5 and $6:

$$
\int_0^\infty e^{-x^2}\,dx = \frac{\sqrt{\pi}}{2} \quad \Biggl( \biggl( \Bigl( x \Bigr) \biggr) \Biggr)
$$

\[ \href{javascript:alert(1)}{\htmlClass{x}{bad}} \]

```mermaid
graph TD
  A[Question] --> B{Known?}
  B -->|yes| C[Answer]
  B -->|"<img src=x onerror=y> no"| D[Search]
```

```mermaid
this is no diagram
```
"""

server = scripted_chat()


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint() as endpoint:
        endpoint.answers(*(ANSWER[at : at + 7] for at in range(0, len(ANSWER), 7)))
        yield endpoint


def fetched(page: Page, name: str) -> int:
    """How many files with this name the page has fetched."""
    names = page.evaluate("() => performance.getEntriesByType('resource').map((each) => each.name)")
    return sum(f"/{name}" in each for each in names)


def test_formulas_and_diagrams_are_drawn_when_they_are_there(enter: Enter, picture: Picture) -> None:
    ada, bob = enter("Ada"), enter("Bob")
    assert fetched(ada, "katex") == 0
    refused: list[str] = []  # such as a font by the content security policy
    for page in (ada, bob):
        page.on("console", lambda told: refused.append(told.text) if told.type == "error" else None)
    write(ada, "@ai Show it!")
    for page in (ada, bob):
        answer = answers(page, "completed").last
        expect(answer.locator(".katex")).to_have_count(4, timeout=LIVE_MS)
        expect(answer.locator("math").first).to_contain_text("e")
        expect(answer).to_contain_text("it costs $5 and $6:")
        expect(answer.locator("a[href^=javascript]")).to_have_count(0)
        assert fetched(page, "mermaid") == 0
    ada.evaluate("() => document.fonts.ready.then(() => null)")
    assert refused == []
    answer = answers(ada, "completed").last
    show = answer.get_by_role("button", name="Show the diagram")
    expect(show).to_have_count(2)
    show.last.click()
    expect(answer.get_by_role("alert")).to_contain_text("This text is no diagram", timeout=LIVE_MS)
    show.first.click()
    drawn = answer.get_by_role("img", name="Diagram of the text above")
    expect(drawn).to_be_visible(timeout=LIVE_MS)
    ada.wait_for_function("(image) => image.complete && image.naturalWidth > 50", arg=drawn.element_handle())
    words = "() => getComputedStyle(document.body).color.match(/[0-9]+/g).map(Number)"
    pictures: list[str] = []
    for scheme in SCHEMES:
        ada.emulate_media(color_scheme=scheme)
        expect(drawn).not_to_have_attribute("src", pictures[-1] if pictures else "")
        pictures.append(drawn.get_attribute("src") or "")
        red, green, blue = ada.evaluate(words)
        assert f"rgb({red}, {green}, {blue})" in unquote(pictures[-1]), scheme
        ada.set_viewport_size({"width": 1280, "height": 1000})
        drawn.scroll_into_view_if_needed()
        picture(ada, f"diagram-{scheme}")
    assert problems_of(ada, "formulas", picture, ((360, 740), (1280, 800))) == []
    ada.reload()
    is_live(ada)
    expect(answers(ada, "completed").last.locator(".katex")).to_have_count(4, timeout=LIVE_MS)
