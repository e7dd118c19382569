"""What a server of the fleet waits for: its tasks and the state of its runs, in its log, when it gets SIGUSR1."""

import asyncio
import signal
import sys
from collections.abc import Iterator
from typing import Any

from hubline.runs import RunLog, Runs

LAST = "end of states"
"""The last line."""

FRAMES = 4
"""Of each task, the innermost."""


def tell_when_asked(runs: Runs, log: RunLog) -> None:
    """Call it in the main thread, before the event loop runs."""

    def tell(*_: object) -> None:
        print("\n".join([*_tasks(), *_states(runs, log), LAST]), file=sys.stderr, flush=True)

    signal.signal(signal.SIGUSR1, tell)


def _tasks() -> Iterator[str]:
    for task in asyncio.all_tasks():
        yield f"task {task.get_name()}"
        for frame in task.get_stack(limit=FRAMES):
            yield f"    {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}"


def _states(runs: Any, log: Any) -> Iterator[str]:
    yield f"node {log.node}"
    for run_id, tape in log._tapes._tapes.items():
        end = (tape.tape.end, tape.tape.ended is not None) if tape.tape is not None else None
        catching_up = tape.catching_up is not None and not tape.catching_up.done()
        facts = f"holders {tape.holders}, owned {tape.owned}, behind {tape.behind}, catching up {catching_up}"
        yield f"tape {run_id}: {id(tape.tape):x}, end {end}, {facts}, pending {len(tape.pending)}"
    for run_id, (fence, _) in log._owned.runs.items():
        yield f"owned {run_id}: fence {fence}, finished {run_id in log._owned.finished}"
    yield f"left to take up: {log._leases._left}"
    for run_id, record in (*runs._records.items(), *runs._elsewhere._followed.items()):
        kind, tape = type(record).__name__, getattr(record, "tape", None)
        facts = f"state {record.state}, viewers {len(record.viewers)}, lost {record.is_lost}, task {record.task}"
        yield f"{kind} {run_id}: tape {id(tape):x}, follows {record.following is not None}, {facts}"
        if (backlog := record.backlog) is not None:
            counts = f"added {backlog._added}, written {backlog._written}, waiting {len(backlog._waiting)}"
            yield f"    backlog: {counts}, away {backlog._away}, error {backlog._error!r}, writer {backlog._writer}"
    for (run_id, _), pacer in runs._viewing._pacers.items():
        facts = f"released {pacer.released}, followers {len(pacer._followers)}, waiting {len(pacer._waiting)}"
        yield f"pacer {run_id}: tape {id(pacer.tape):x}, {facts}"
    for viewer in runs._viewing.viewers:
        yield f"viewer of {viewer.record.id}: record {id(viewer.record):x}, tape {id(viewer.pacer.tape):x}"
    yield from _lines_to_redis(log) if hasattr(log, "_hearing") else _topics_in_sql(log)


def _lines_to_redis(log: Any) -> Iterator[str]:
    hearing = log._hearing
    yield f"wanted channels: {sorted(hearing.channels.values())}"
    for line in hearing.lines:
        yield f"hearing {line.node}: ready {line.is_ready}, changes {[(c.kind, c.names) for c in line._changes]}"
    for line in log._commands._router.lines:
        yield f"asking {line.node}: ready {line.is_ready}, sent {len(line._sent)}, waiting {len(line._waiting)}"


def _topics_in_sql(log: Any) -> Iterator[str]:
    yield f"wanted topics: {sorted(log._topics)}, mail has come {log._mail_came.is_set()}"
    for name in ("_appending", "_asking", "_listening"):
        if (line := getattr(log._database, name, None)) is not None:
            yield f"{line.name}: ready {line.is_ready}, jobs {len(getattr(line, '_jobs', ()))}"
