"""Answers that outlive connections: started once, watched by many, gone on with after every cut, stopped on purpose.

runs = Runs(on_end=store)

class Assistant(RunsHub, runs=runs):
    async def ask(self, prompt: str, message_id: str) -> str:
        return (await self.runs.start(answer, prompt, key=message_id)).id

async def answer(run: Run, prompt: str) -> None:
    async for delta in model.stream(prompt):
        await run.text(delta)
"""

from hubline.runs.budgets import Balance, Budget
from hubline.runs.http.chat import ChatRequest, chat_routes
from hubline.runs.hub import CallerRuns, RunsHub
from hubline.runs.inbox import Inbox, SteerMessage
from hubline.runs.info import AskExpired, Caller, FinishedRun, RunInfo, StopAfter, starter_only
from hubline.runs.log import About, FencedError, LogGoneError, MemoryRunLog, RunLog, RunServer
from hubline.runs.memory_budget import MemoryBudget
from hubline.runs.piping import PipeError
from hubline.runs.registry import RunRegistry, TakenKey
from hubline.runs.run import Run
from hubline.runs.service import Runs
from hubline.runs.settings import RunLimits
from hubline.runs.starting import StartedRun
from hubline.runs.tape import Tape

__all__ = [
    "About",
    "AskExpired",
    "Balance",
    "Budget",
    "Caller",
    "CallerRuns",
    "ChatRequest",
    "FencedError",
    "FinishedRun",
    "Inbox",
    "LogGoneError",
    "MemoryBudget",
    "MemoryRunLog",
    "PipeError",
    "Run",
    "RunInfo",
    "RunLimits",
    "RunLog",
    "RunRegistry",
    "RunServer",
    "Runs",
    "RunsHub",
    "StartedRun",
    "SteerMessage",
    "StopAfter",
    "TakenKey",
    "Tape",
    "chat_routes",
    "starter_only",
]
