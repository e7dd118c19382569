"""How often Python looks for garbage, in a process that does nothing but serve."""

import gc

YOUNG = 10_000
"""Objects made, less those gone again, before the garbage collector looks at them. Python's own number is 700 (2,000
in newer ones): one connection makes a tenth of that, and a fifth of the time that connections take to come and go went
into looking at what was still in use."""


def collect_rarely() -> None:
    """Raise the first threshold of the garbage collector, unless somebody has set a higher one or turned it off."""
    young, *older = gc.get_threshold()
    if 0 < young < YOUNG:
        gc.set_threshold(YOUNG, *older)
