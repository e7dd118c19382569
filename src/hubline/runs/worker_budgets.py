"""Budgets in memory under `hubline run --workers`: the workers count those together that they can tell apart."""

import logging
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from hubline import _worker
from hubline.runs.memory_budget import MemoryBudget

logger = logging.getLogger("hubline.runs")

EACH_WORKER = (
    "a MemoryBudget that is given to `start` counts in each worker: its limit holds %d times. Give it a name, "
    "`MemoryBudget(…, name=…)`, or give it to the function, `@runs.function(budget=…)`"
)


class WorkerBudgets:
    """The budgets of one `Runs`."""

    def __init__(self) -> None:
        self._started: WeakSet[MemoryBudget] = WeakSet()
        self._has_warned = False

    def declared(self, budget: Any, function: str) -> None:
        """A function has this budget, in every worker: they find it by the function's name."""
        worker = _worker.current
        if worker is not None and isinstance(budget, MemoryBudget) and budget._shared is None:
            with suppress(ImportError):  # a Python that was built without SQLite
                budget._share(*worker.new_budget(function))

    def used(self, budget: Any) -> None:
        """A run begins with this budget. Warns once of one that several runs have and workers do not share."""
        worker = _worker.current
        if worker is None or worker.count == 1 or not isinstance(budget, MemoryBudget) or budget._shared is not None:
            return
        if budget in self._started and not self._has_warned:
            self._has_warned = True
            logger.warning(EACH_WORKER, worker.count)
        self._started.add(budget)
