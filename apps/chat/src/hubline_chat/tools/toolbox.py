"""Uses the tools that a model asks for: with the agreement of a person, if a tool does more than reading."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from hubline.models import Tool
from hubline.runs import AskExpired, Run
from hubline_chat.answering import Answering
from hubline_chat.catalogue import is_for
from hubline_chat.contract_models import ToolOffer, ToolUse
from hubline_chat.limits import storable
from hubline_chat.store import Store, User
from hubline_chat.tools.tool import Place, RoomTool, ToolError
from hubline_chat.transcript import ENDED, is_tool, use_of

logger = logging.getLogger("hubline_chat")

ROUNDS = 8
"""Times that a model may ask for tools in one answer."""
AT_ONCE = 8
"""Tools of one round."""
WAIT_SECONDS = 300.0
"""Seconds that a person has to decide. Meanwhile the run is parked, and other questions in the room are answered."""
RESULT, ARGUMENTS, ALL = 8_000, 8_000, 60_000
"""Characters of a result, of the arguments of one use, and of all in one answer; then no more tools are used."""
CUT = " […cut]"
UNKNOWN_END = (
    "The server was restarted while this was being done: whether it is done is not known. Nothing was repeated."
)

Keep = Callable[[], Awaitable[None]]
Ready = Callable[[], Awaitable[None]]
Provided = Callable[[], Iterable[RoomTool]]


class Toolbox:
    """The tools of a chat. `provided` gives those that are there now; `keep` stores what answers have so far.

    `ready` waits until those are there that a server which has just started still looks for: an answer that begins a
    moment earlier would have to do without them.
    """

    def __init__(self, provided: Provided, ready: Ready, store: Store, keep: Keep) -> None:
        self._provided, self.ready, self._store, self._keep = provided, ready, store, keep

    @property
    def offers(self) -> list[ToolOffer]:
        """As pages show them."""
        return [ToolOffer(tool.title, tool.server, not tool.is_safe, tool.tier) for tool in self._provided()]

    def offered(self, user: User) -> Sequence[Tool]:
        """As models are told of those that a person may use."""
        return [tool.offer for tool in self._of(user).values()]

    async def settle(self, run: Run, answering: Answering) -> int:
        """Use what the model has asked for and is not done yet; returns how often it has asked for tools so far.

        The function of the run ends here, holding nothing, while a person decides.
        """
        uses = [use_of(part) for part in run.parts if is_tool(part)]
        new = [use for use in uses if use.round == 0]
        rounds = max((use.round for use in uses), default=0) + bool(new)
        known = self._of(answering.ticket.user)
        for use in new:
            tool = known.get(use.name)
            about = {"title": tool.title, "server": tool.server} if tool is not None else {}
            await run.tool(use.tool_call_id, use.state, round=rounds, **about)
        for use in uses:
            if use.state not in ENDED:
                await self._settle(run, answering, known.get(use.name), use)
        return rounds if _left(run) > 0 else ROUNDS

    async def _settle(self, run: Run, answering: Answering, tool: RoomTool | None, use: ToolUse) -> None:
        problem = None
        if tool is None:
            problem = f"There is no tool called {use.name}."
        elif not isinstance(use.input, dict) or set(use.input) == {"omitted"}:
            problem = "The arguments are not a JSON object, or too large."
        elif use.state == "approval-responded":
            problem = UNKNOWN_END
        if problem is not None or tool is None:
            await run.tool(use.tool_call_id, "output-error", error_text=problem)
        elif tool.is_safe or await self._agreed(run, answering, tool, use):
            await self._use(run, answering, tool, use)

    async def _agreed(self, run: Run, answering: Answering, tool: RoomTool, use: ToolUse) -> bool:
        """Whether a person lets a tool be used. Without a decision in time it is not."""
        people = await self._deciders(answering)
        key = f"tool {use.tool_call_id}"
        if use.state != "approval-requested" or run.attempt == 1:
            await run.data("deciders", [{"id": each, "name": name} for each, name in people.items()], part="deciders")
            await run.tool(use.tool_call_id, "approval-requested")
            await self._keep()  # so that nobody is asked for what a server that dies now has forgotten
        try:
            agreed = await run.ask(_question(tool), expires=WAIT_SECONDS, who=[*people], key=key, park=True)
        except AskExpired:
            sentence = "Nobody decided in time, so this was not done."
            await run.tool(use.tool_call_id, "output-error", error_text=sentence, timed_out=True)
            return False
        name = people.get(run.answered_by or "")
        state = "approval-responded" if agreed else "output-denied"
        await run.tool(use.tool_call_id, state, decided_by=name)
        if agreed:
            await self._keep()  # so that nobody is asked again after the process has died
        return bool(agreed)

    async def _use(self, run: Run, answering: Answering, tool: RoomTool, use: ToolUse) -> None:
        place = Place(answering.room, answering.ticket.user, answering.question.seq)
        await run.status("tool", title=tool.title, server=tool.server)
        try:
            async with asyncio.timeout(tool.seconds):
                output = storable(await tool.use(place, use.input))
        except TimeoutError:
            sentence = f"There was no result after {tool.seconds:g} s."
            await run.tool(use.tool_call_id, "output-error", error_text=sentence, timed_out=True)
        except ToolError as error:
            await run.tool(use.tool_call_id, "output-error", error_text=_cut(storable(str(error))))
        except Exception as error:
            logger.warning("the tool %s failed: %r", tool.name, error, exc_info=error)
            await run.tool(use.tool_call_id, "output-error", error_text="The tool had an unexpected problem.")
        else:
            await run.tool(use.tool_call_id, "output-available", output=_cut(output, min(RESULT, _left(run))))

    async def _deciders(self, answering: Answering) -> dict[str, str]:
        """Who may agree: whoever asked, unless as a guest in the room of others, its owners, and administrators."""
        room, asker = answering.room, answering.ticket.user
        people = {each.id: each.name for each in room.members.values() if each.is_owner}
        people |= {user.id: user.name for user in await self._store.users.admins() if room.is_visible_to(user.id)}
        return people if asker.role == "guest" else {asker.id: asker.name} | people

    def _of(self, user: User) -> dict[str, RoomTool]:
        return {tool.name: tool for tool in self._provided() if is_for(user.role, user.tier, tool.tier)}


def within(arguments: str) -> str:
    """The arguments of a call or, when these are too long to be shown and kept, their length, which no tool takes."""
    return arguments if len(arguments) <= ARGUMENTS else json.dumps({"omitted": len(arguments)})


def _left(run: Run) -> int:
    """Characters that the tools of an answer may still have."""
    return max(0, ALL - sum(use_of(part).size for part in run.parts if is_tool(part)))


def _question(tool: RoomTool) -> str:
    """The arguments are in the part of the answer that the tool has."""
    return f"Use {tool.title} of {tool.server}?" if tool.server is not None else f"Use {tool.title}?"


def _cut(text: str, length: int = RESULT) -> str:
    return text if len(text) <= length else text[:length] + CUT
