"""The garbage collector's threshold for a process that only serves."""

import gc

YOUNG = 10_000
"""New objects, less freed ones, after which the garbage collector runs. Python's own number is 700 (2,000 in newer
versions). One connection makes a tenth of that, and with it a fifth of the time for opening and closing connections
was spent in the collector."""


def collect_rarely() -> None:
    """Raise the first threshold of the garbage collector, unless somebody has set a higher one or turned it off."""
    young, *older = gc.get_threshold()
    if 0 < young < YOUNG:
        gc.set_threshold(YOUNG, *older)
