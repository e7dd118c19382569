"""Markdown as plain text, for lines in which a message is only named: without its marks, and links by their words."""

import re

_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_RULE = re.compile(r"^ {0,3}(?:\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?|(?:[*_-][ \t]*){3,}|={3,})$")
"""A line across, the one below the head of a table, and the one below a heading."""
_DEFINITION = re.compile(r"^ {0,3}\[[^\]]+\]:[ \t]*\S+")
_BEGIN = re.compile(r"^[ \t]*(?:>[ \t]?)*(?:#{1,6}[ \t]+|[-*+][ \t]+(?:\[[ xX]\][ \t]+)?)?")
_CODE = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
_ESCAPE = re.compile(r"\\([!-/:-@\[-`{-~])")
_LINK = re.compile(
    r"!?\[([^\[\]]{0,400})\](?:\([^()\s]{0,2000}(?:\([^()\s]*\)[^()\s]*)?(?:[ \t]+\"[^\"]*\")?\)|\[[^\[\]]*\])"
)
_ADDRESS = re.compile(r"<((?:https?://|mailto:)[^<>\s]+)>")
_STRONG = re.compile(r"(?<!\\)(\*\*|__|~~)(?=\S)(.{1,400}?)(?<=\S)\1", re.DOTALL)
_EMPHASIS = re.compile(r"(?<![\w*])([*_])(?=[^\s*_])(.{1,400}?)(?<=[^\s*_])\1(?![\w*])", re.DOTALL)
_MARKS = "".join(map(chr, [*range(0x21, 0x30), *range(0x3A, 0x41), *range(0x5B, 0x61), *range(0x7B, 0x7F)]))
_HIDDEN = {ord(mark): 0xE000 + ord(mark) for mark in _MARKS}
_SHOWN = {hidden: mark for mark, hidden in _HIDDEN.items()}


def without_blocks(text: str) -> str:
    """A text without the marks of its blocks. What is code has others in the place of its marks, until `unmarked`."""
    lines, fence = list[str](), ""
    for line in text.splitlines():
        found = _FENCE.match(line)
        if fence:
            is_end = found is not None and found[1].startswith(fence) and line.strip() == found[1]
            lines += [] if is_end else [line.translate(_HIDDEN)]
            fence = "" if is_end else fence
        elif found is not None:
            fence = found[1]
        elif not _RULE.match(line) and not _DEFINITION.match(line):
            lines.append(_BEGIN.sub("", _cells(line)))
    return "\n".join(lines)


def unmarked(text: str) -> str:
    """What `without_blocks` gives, or a part of it, on one line and without marks within lines.

    The time it takes grows with the square of the marks of a text: for long texts, give a part.
    """
    text = _CODE.sub(lambda code: code[2].translate(_HIDDEN), text)
    text = _ESCAPE.sub(lambda mark: mark[1].translate(_HIDDEN), text)
    text = _ADDRESS.sub(r"\1", _LINK.sub(r"\1", text))
    for pattern in (_STRONG, _EMPHASIS, _STRONG):
        text = pattern.sub(r"\2", text)
    return " ".join(text.translate(_SHOWN).split())


def _cells(line: str) -> str:
    """A line of a table as its cells."""
    row = line.strip()
    return row.strip("|").replace("|", " ") if len(row) > 1 and row[0] == row[-1] == "|" else line
