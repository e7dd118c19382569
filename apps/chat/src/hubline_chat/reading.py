"""Reads a model into a run: its input, the part of its output that is used, and the cost."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from hubline.models import Delta, ModelError, StopReason, Tool, ToolCall
from hubline.models import Message as Turn
from hubline.runs import Run
from hubline_chat.allowance import CHARACTERS, STEP
from hubline_chat.answering import TOO_LONG, Answering
from hubline_chat.catalogue import Catalogue, Offer
from hubline_chat.files.material import IMAGE_TOKENS, Material, named_files, with_images
from hubline_chat.limits import storable
from hubline_chat.prompts import conversation, instructions, question_in
from hubline_chat.settings import ChatSettings
from hubline_chat.tools.toolbox import AT_ONCE, ROUNDS, Toolbox, within
from hubline_chat.transcript import ENDED, said, turns_of, write_again
from hubline_chat.transcript import size as size_of

ANSWER_CHARACTERS = 32_000
REASONING_CHARACTERS = 100_000
"""Of the reasoning of one answer, what is kept and shown; the answer goes on. Both together fit into one message."""
CUT = "\n\n[…cut]"
NAME = 64
"""Characters of the name of a tool: models also ask for some that nobody has offered."""


class Reader:
    """Reads the models of the settings. `usable` is set while the local one is ready."""

    def __init__(
        self,
        models: Catalogue,
        settings: ChatSettings,
        usable: asyncio.Event,
        material: Material,
        toolbox: Toolbox,
    ) -> None:
        self._models, self._settings, self._usable = models, settings, usable
        self._material, self._toolbox = material, toolbox

    async def read(self, run: Run, answering: Answering) -> None:
        """Read an answer to its end, after the text that it already has.

        Raises:
            ModelError, TimeoutError: the text so far stays.
        """
        if run.attempt == 1:
            answer = answering.answer
            await write_again(run, answering.message.text, answer.reasoning, answer.tools)
        offer = self._models.get(answering.answer.model)
        async with asyncio.timeout(self._settings.answer_seconds):
            if offer.tool_model is not None:
                await self._toolbox.ready()
            while True:
                rounds = await self._toolbox.settle(run, answering)
                is_able = offer.tool_model is not None and rounds < ROUNDS
                tools = self._toolbox.offered(answering.ticket.user) if is_able else ()
                async with aclosing(self._pieces(run, answering, offer, tools)) as pieces:
                    await run.pipe(pieces, model=offer.model.name)
                if answering.is_cut or all(use.state in ENDED for use in said(run.parts)[2]):
                    return

    async def _pieces(
        self, run: Run, answering: Answering, offer: Offer, tools: Sequence[Tool]
    ) -> AsyncGenerator[Delta, None]:
        """The used part of the model's output. Its cost is reserved while it grows, and reported at the end."""
        most, model, parts = offer.pieces, offer.model, run.parts
        turns = await self._turns(answering, offer, turns_of(parts))
        told = size_of(turns) // CHARACTERS + IMAGE_TOKENS * sum(len(turn.images) for turn in turns)
        before, thought = (len(text) for text in said(parts)[:2])
        size, pieces, spoken, reserved, is_reported, has_calls = before, 0, 0, 0, False, False
        is_new = not parts or parts[-1]["kind"] != "text"
        try:
            await run.reserve(told)
            async with aclosing(self._stream(offer, turns, tools)) as stream:
                async for delta in stream:
                    text = storable(delta.text.lstrip() if is_new and size == before else delta.text)
                    reasoning = _within(storable(delta.reasoning), REASONING_CHARACTERS - thought, CUT)
                    is_reported = is_reported or delta.usage is not None
                    size, thought = size + len(text), thought + len(delta.reasoning)
                    text = _within(text, ANSWER_CHARACTERS - size + len(text))
                    pieces += bool(text)
                    if delta.stop is StopReason.FILTERED:
                        answering.note = "The model's provider withheld the rest."
                    is_too_long = size > ANSWER_CHARACTERS or (most is not None and pieces >= most)
                    if is_too_long or delta.stop is StopReason.LENGTH:
                        answering.note = TOO_LONG
                        answering.is_cut = size <= ANSWER_CHARACTERS  # what is longer is not continued
                    calls = _named(delta.tool_calls) if tools and not (is_too_long or answering.is_cut) else ()
                    has_calls = has_calls or bool(calls)
                    yield replace(delta, text=text, reasoning=reasoning, tool_calls=calls)
                    spoken += len(text) + len(delta.reasoning) + sum(len(call.arguments) for call in calls)
                    if is_too_long:
                        break
                    if (step := spoken // CHARACTERS - reserved) >= STEP:
                        reserved += step
                        await run.reserve(step)
            if is_new and size == before and not has_calls:
                answering.note = answering.note or "The model gave no answer."
        finally:
            if not is_reported:
                run.usage(model=model.name, input_tokens=told, output_tokens=spoken // CHARACTERS)

    async def _turns(self, answering: Answering, offer: Offer, so_far: Sequence[Turn]) -> Sequence[Turn]:
        system = instructions(self._settings.system_prompt, answering.room.prompt)
        question, name, budget = answering.question, self._settings.assistant_name, offer.budget(system)
        history = answering.room.history.newest_first()
        earlier = [named_files(message) for message in history if message.seq < question.seq]
        turns = conversation(
            system,
            earlier,
            await self._material.text(question, question_in(question.text, name) or question.text, budget),
            name=name,
            budget=budget,
            is_local=offer.is_local,
            said=so_far,
        )
        if not offer.info.takes_images:
            return turns
        return with_images(turns, await self._material.images(question))

    async def _stream(self, offer: Offer, turns: Sequence[Turn], tools: Sequence[Tool]) -> AsyncGenerator[Delta, None]:
        """The output of the model. If its process is lost before the first word, it is asked again when it is back."""
        if tools and offer.tool_model is not None:
            async with aclosing(offer.tool_model.stream(turns, tools=tools)) as stream:
                async for delta in stream:
                    yield delta
            return
        has_begun, model = False, offer.model
        try:
            async with aclosing(model.stream(turns)) as stream:
                async for delta in stream:
                    has_begun = True
                    yield delta
            return
        except ModelError:
            if has_begun or self._usable.is_set():
                raise
        await self._usable.wait()
        async with aclosing(model.stream(turns)) as stream:
            async for delta in stream:
                yield delta


def _named(calls: Sequence[ToolCall]) -> tuple[ToolCall, ...]:
    """As many calls as are used at once, with ids of our own: many endpoints count them anew in each answer."""
    return tuple(
        ToolCall(secrets.token_urlsafe(9), storable(call.name)[:NAME], within(storable(call.arguments)))
        for call in calls[:AT_ONCE]
    )


def _within(text: str, room: int, mark: str = "") -> str:
    """As much of a text as there is room for. `mark` ends it where it is cut in the middle."""
    if room <= 0:
        return ""
    return text if len(text) <= room else text[:room] + mark
