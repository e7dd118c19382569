"""Models that think aloud: `<think>…</think>` before the answer, which is no part of it."""

BEGIN, END = "<think>", "</think>"


class Thinking:
    """Splits the text of one answer. Only what begins with the mark is thought; later marks are text like any other."""

    def __init__(self) -> None:
        self._held = ""
        """What may become a mark."""
        self._is_inside: bool | None = None
        """`None` until it is known whether the answer begins with thoughts."""
        self._is_fresh = False
        """A mark was the last thing: the lines behind it belong to nothing."""

    def split(self, text: str, *, last: bool = False) -> tuple[str, str]:
        """The next piece as thoughts and text. With `last`, nothing is held back any more."""
        held, self._held = self._held + text, ""
        if self._is_inside is None:
            start = held.lstrip()
            if start.startswith(BEGIN):
                self._is_inside, self._is_fresh, held = True, True, start[len(BEGIN) :]
            elif BEGIN.startswith(start) and not last:
                self._held = held
            else:
                self._is_inside = False
        if self._is_inside is None:
            return "", ""
        thoughts = ""
        if self._is_inside:
            thoughts, mark, held = self._trimmed(held).partition(END)
            if not mark:
                cut = len(thoughts) - (0 if last else _beginning(thoughts))
                self._held = thoughts[cut:]
                return thoughts[:cut], ""
            self._is_inside, self._is_fresh = False, True
        return thoughts.rstrip(), self._trimmed(held)

    def _trimmed(self, text: str) -> str:
        if self._is_fresh:
            text = text.lstrip()
            self._is_fresh = not text
        return text


def _beginning(text: str) -> int:
    """How many characters at the end of a text may be the beginning of the closing mark."""
    return next((size for size in range(len(END) - 1, 0, -1) if text.endswith(END[:size])), 0)
