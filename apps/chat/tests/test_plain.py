"""Markdown as plain text."""

import pytest

from hubline_chat.plain import unmarked, without_blocks


def plain(text: str) -> str:
    return unmarked(without_blocks(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a **bold** and _slanted_ ~~gone~~ ***both***", "a bold and slanted gone both"),
        ("2 * 3 * 4, 2*3*4, snake_case_name, a | b", "2 * 3 * 4, 2*3*4, snake_case_name, a | b"),
        (r"\*not\* **", "*not* **"),
        ("see [the **docs**](https://example.com/a_(b) 'x') [y](z)", "see [the docs](https://example.com/a_(b) 'x') y"),
        ('[the docs](https://example.com/a_(b) "Title"), ![pic](x.png), [ref][1]', "the docs, pic, ref"),
        ("<https://example.com/a_b_c> a < b", "https://example.com/a_b_c a < b"),
        ("# Head\n\n> quoted\n- [x] done\n- *one*\n3. three\n***\nend", "Head quoted done one 3. three end"),
        ("| A | B |\n|---|:-:|\n| x | **y** |", "A B x y"),
        ("Title\n=====\n[1]: https://example.com", "Title"),
        ("Run:\n```python\nprint('**x** [a](b)')\n```\nand `a*b*c`", "Run: print('**x** [a](b)') and a*b*c"),
        ("~~~\n# no head\n```\n- no list", "# no head ``` - no list"),
    ],
)
def test_a_text_is_shown_without_its_marks(text: str, expected: str) -> None:
    assert plain(text) == expected
