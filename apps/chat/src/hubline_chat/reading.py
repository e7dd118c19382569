"""Reads a model into a run: what the model is told, what is taken of what it says, and what that costs."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from hubline.models import ChatModel, Delta, ModelError, StopReason
from hubline.models import Message as Turn
from hubline.runs import Run
from hubline_chat.allowance import CHARACTERS, STEP
from hubline_chat.answering import Answering
from hubline_chat.contract import ModelName
from hubline_chat.limits import storable
from hubline_chat.prompts import conversation
from hubline_chat.settings import ChatSettings

ANSWER_CHARACTERS = 32_000
TOO_LONG = "The answer reached its limit of length."


@dataclass(frozen=True, slots=True)
class Models:
    """The models that answer.

    Where one model is both, premium answers are longer: a standard one has at most `standard_pieces` pieces.
    """

    standard: ChatModel
    premium: ChatModel
    standard_pieces: int | None = None

    def named(self, name: ModelName) -> ChatModel:
        return self.premium if name == "premium" else self.standard

    @property
    def premium_name(self) -> str | None:
        """What people see of the premium model, when it is another one."""
        return self.premium.name if self.premium.name != self.standard.name else None


class Reader:
    """Reads the models of the settings. `usable` is set while they can be asked."""

    def __init__(self, models: Models, settings: ChatSettings, usable: asyncio.Event) -> None:
        self._models, self._settings, self._usable = models, settings, usable
        self._budget = settings.context_characters or (2_000 if settings.is_local else 12_000)

    async def read(self, run: Run, answering: Answering) -> None:
        """Read an answer to its end, behind what was said of it before.

        Raises:
            ModelError, TimeoutError: the text so far stays.
        """
        said = answering.message.text
        await run.reasoning(answering.answer.reasoning)
        await run.text(said)
        model = self._models.named(answering.answer.model)
        async with (
            asyncio.timeout(self._settings.answer_seconds),
            aclosing(self._pieces(run, answering, model, self._turns(answering, said), said)) as pieces,
        ):
            await run.pipe(pieces, model=model.name)

    async def _pieces(
        self, run: Run, answering: Answering, model: ChatModel, turns: Sequence[Turn], said: str
    ) -> AsyncGenerator[Delta, None]:
        """What the model says, as far as it is taken. Its cost is set aside while it grows, and told at the end."""
        most = self._models.standard_pieces if answering.answer.model == "standard" else None
        told = sum(len(turn.content) for turn in turns) // CHARACTERS
        size, pieces, spoken, reserved, is_reported = len(said), 0, 0, 0, False
        try:
            await run.reserve(told)
            async with aclosing(self._stream(model, turns)) as stream:
                async for delta in stream:
                    text = storable(delta.text if size else delta.text.lstrip())
                    is_reported = is_reported or delta.usage is not None
                    size += len(text)
                    pieces += bool(text)
                    if delta.stop is StopReason.FILTERED:
                        answering.note = "The model's provider withheld the rest."
                    is_too_long = size > ANSWER_CHARACTERS or (most is not None and pieces >= most)
                    if is_too_long or delta.stop is StopReason.LENGTH:
                        answering.note = TOO_LONG
                    yield replace(delta, text=text, reasoning=storable(delta.reasoning))
                    spoken += len(text) + len(delta.reasoning)
                    if is_too_long:
                        break
                    if (step := spoken // CHARACTERS - reserved) >= STEP:
                        reserved += step
                        await run.reserve(step)
            if size == 0:
                answering.note = answering.note or "The model said nothing."
        finally:
            if not is_reported:
                run.usage(model=model.name, input_tokens=told, output_tokens=spoken // CHARACTERS)

    def _turns(self, answering: Answering, said: str) -> Sequence[Turn]:
        question = answering.question
        earlier = [message for message in answering.room.history.newest_first() if message.seq < question.seq]
        return conversation(
            self._settings.system_prompt,
            earlier,
            question.text,
            name=self._settings.assistant_name,
            budget=self._budget,
            is_local=self._settings.is_local,
            said=said,
        )

    async def _stream(self, model: ChatModel, turns: Sequence[Turn]) -> AsyncGenerator[Delta, None]:
        """What the model says. One whose process was lost before the first word is asked once more, when it is back."""
        has_begun = False
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
