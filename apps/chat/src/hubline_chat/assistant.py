"""The assistant: each answer is a run, one at a time in each room, as many at once as the model has slots."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Literal

from sqlalchemy.exc import IntegrityError

from hubline import HubError
from hubline.models import ModelError
from hubline.runs import Caller, FinishedRun, Run, RunInfo, RunLimits, Runs
from hubline_chat import contract
from hubline_chat.allowance import Allowance
from hubline_chat.answering import Answering, new_id, now
from hubline_chat.catalogue import MICRO, Catalogue
from hubline_chat.clearing import is_clearing
from hubline_chat.contract import Answer, AnswerState, Message, Person
from hubline_chat.files.material import Material
from hubline_chat.journal import Journal
from hubline_chat.past import Past
from hubline_chat.people import person
from hubline_chat.prompts import question_in
from hubline_chat.reading import Reader
from hubline_chat.room import Room
from hubline_chat.settings import ChatSettings
from hubline_chat.store import StoreError, User
from hubline_chat.store.versions import Versions
from hubline_chat.titles import Titles
from hubline_chat.tools.toolbox import Toolbox

logger = logging.getLogger("hubline_chat")

VERSIONS = 20
"""Versions of one answer."""
WAITING = 32
"""Questions that wait in one room."""
DRAIN_SECONDS = 1.0
"""Seconds for answers to end when the server stops. Half of those of `HubApp`, so that viewers get the end."""
UNPAID = ("failed", "interrupted")
TOO_LATE = "The answer took too long and was ended."
UNEXPECTED = "The assistant had an unexpected problem."

Allow = Callable[[str, RunInfo, Caller], Awaitable[bool]]
Clear = Callable[[Run, Answering], Awaitable[None]]


class Assistant:
    """Answers questions. `tell` sends a changed answer to its room; `clear` answers the request to clear a room."""

    def __init__(
        self,
        models: Catalogue,
        settings: ChatSettings,
        allowance: Allowance,
        journal: Journal,
        past: Past,
        versions: Versions,
        allow: Allow,
        tell: Callable[[Room, Message], Awaitable[None]],
        clear: Clear,
        material: Material,
        toolbox: Toolbox,
    ) -> None:
        self.person = Person("assistant", settings.assistant_name, "assistant")
        self.runs = Runs(
            allow=allow,
            on_end=self._ended,
            on_busy="queue",
            limits=RunLimits(per_starter=64, silence=None, waiting=WAITING),
            merge=settings.merge_seconds,
            drain=DRAIN_SECONDS,
        )
        self.runs.function(self._answer)  # an answer that waited for a decision is called again
        self.models, self._allowance = models, allowance
        self._journal, self._past, self._tell, self._clear = journal, past, tell, clear
        self._versions = versions
        self._open: dict[str, Answering | None] = {}
        """Answers that have not ended, by the id of their message; `None` while one is being admitted."""
        self._usable = asyncio.Event()
        self._slots = asyncio.Semaphore(settings.model_slots)
        self._toolbox = toolbox
        self.titles = Titles(models.usual.model, self._slots)
        self._reader = Reader(models, settings, self._usable, material, toolbox)
        self.set_state("starting", None)

    def set_state(self, state: Literal["starting", "ready", "failed"], detail: str | None) -> None:
        """The status of the model. Questions wait while it starts; when it has failed, they fail with its reason."""
        self._state, self._detail = state, detail
        if state == "starting":
            self._usable.clear()
        else:
            self._usable.set()

    @property
    def info(self) -> contract.Assistant:
        """As pages show it."""
        models, tools = self.models, self._toolbox.offers if self.models.has_tools else []
        name = models.usual.model.name
        return contract.Assistant(
            self.person.name, name, self._state, self._detail, models.infos, models.currency, tools
        )

    def asked(self, text: str) -> str | None:
        """The question of a message to the assistant, or `None`."""
        return question_in(text, self.person.name)

    async def admit(self, room: Room, question: Message, user: User, model: str | None) -> Answering:
        """Make the empty answer to a question, not yet stored. `begin` it, or `give_up`. Without `model`, the room's.

        Raises:
            HubError: too many questions are waiting, the tokens of the day are used up, or no model is for this person.
        """
        offer = self.models.fitting(user, room.model) if model is None else self.models.chosen(user, model)
        answer = Answer(AnswerState.RUNNING, person(user), question.id, model=offer.info.id)
        return await self._admit(
            room, question, Message(new_id(), room.id, 0, "assistant", self.person, "", now(), answer=answer), user
        )

    async def _admit(self, room: Room, question: Message, message: Message, user: User) -> Answering:
        if self._runs_in(room) > WAITING:
            raise HubError(f"{WAITING} questions are waiting here already. Try again later.")
        self._open[message.id] = None
        try:
            ticket = await self._allowance.admit(user)
        except BaseException:
            del self._open[message.id]
            raise
        answering = self._open[message.id] = Answering(room, question, message, ticket)
        return answering

    async def give_up(self, answering: Answering) -> None:
        """The question could not be stored."""
        self._open.pop(answering.message.id, None)
        await answering.ticket.close()
        await answering.ticket.charge("", 0)

    async def begin(self, answering: Answering, *, key: str | None) -> Message:
        """Question and answer are stored: start the run. Returns the answer with its id; set its `told` then."""
        try:
            run = await self.runs.start(
                self._answer,
                answering.message.id,
                key=key,
                room=answering.room.id,
                starter=answering.ticket.user.id,
                budget=answering.ticket,
            )
        except HubError as error:
            await self.give_up(answering)
            message = answering.change(state=AnswerState.FAILED, error=str(error), ended_at=now())
        else:
            message = answering.change(run_id=run.id)
        self._journal.changed(message)
        return message

    async def go_on(self, room: Room, message: Message, user: User, model: str) -> None:
        """Let an interrupted answer continue where it stopped. A repeated request does it once.

        Raises:
            HubError: there is no text to continue, or its question does not exist any more.
        """
        if message.id in self._open:
            return
        question, answer = await self._question(room, message)
        if message.id in self._open:  # somebody else was faster
            return
        is_whole = answer.state is AnswerState.COMPLETED and not answer.can_go_on
        if message.is_running or is_whole or not message.text:
            raise HubError("This answer has no text to continue.")
        answer = replace(answer, state=AnswerState.RUNNING, asked_by=person(user), model=model, run_id=None)
        answer = replace(answer, started_at=None, ended_at=None, error=None, elapsed=0.0, can_go_on=False)
        answering = await self._admit(room, question, replace(message, answer=answer), user)
        await asyncio.shield(asyncio.ensure_future(self._begin_again(answering)))  # even if the user leaves

    async def again(self, room: Room, message: Message, user: User, model: str) -> Message:
        """Answer a question anew, in the place of its answer, which is kept as a version if it has any text.

        Raises:
            HubError: the question is being answered, does not exist any more, or was answered too often.
        """
        question, _ = await self._question(room, message)
        if message.is_running or message.id in self._open:
            raise HubError("This question is being answered.")
        versions = message.versions + bool(message.text)
        if versions > VERSIONS:
            raise HubError(f"This question was answered {VERSIONS} times already. Ask it anew.")
        answer = Answer(AnswerState.RUNNING, person(user), question.id, model=model)
        empty = replace(message, text="", answer=answer, versions=versions)
        answering = await self._admit(room, question, empty, user)
        try:
            if message.text:
                await self._versions.add(message)
        except BaseException as error:
            await self.give_up(answering)
            if isinstance(error, IntegrityError):  # the room was deleted meanwhile
                raise HubError("The question does not exist any more.") from None
            raise
        await asyncio.shield(asyncio.ensure_future(self._begin_again(answering)))
        return answering.message

    def is_open(self, message: Message) -> bool:
        """Whether this is an answer that has not ended, or a question that is being answered."""
        open_ = [each for each in self._open.values() if each is not None]
        return message.id in self._open or any(each.question.id == message.id for each in open_)

    async def _begin_again(self, answering: Answering) -> None:
        try:
            await self._tell(answering.room, await self.begin(answering, key=None))
        finally:
            answering.told.set()

    async def stop_all(self, room: Room) -> None:
        """Stop the answers of a room that is gone."""
        for info in await self.runs.room_runs(room.id):
            await self.runs.stop(info.id)

    async def disown(self, person: Person) -> None:
        """Stop the answers for somebody whose account is removed; `person` bears the name that they have then."""
        mine = [each for each in self._open.values() if each is not None and each.answer.asked_by.id == person.id]
        for answering in mine:
            answering.change(asked_by=person)
            if answering.answer.run_id is not None:
                await self.runs.stop(answering.answer.run_id)

    async def save(self) -> None:
        """Store the new text of growing answers."""
        for answering in self._open.values():
            if answering is not None and (message := answering.grown()) is not None:
                self._journal.changed(message)
        await self._journal.flush()

    async def _question(self, room: Room, message: Message) -> tuple[Message, Answer]:
        if message.answer is None:
            raise HubError("This message is not an answer.")
        question = await self._past.question(room, message.answer.question_id)
        if question is None or question.is_deleted:
            raise HubError("The question does not exist any more.")
        return question, message.answer

    def _runs_in(self, room: Room) -> int:
        return sum(each is not None and each.room is room for each in self._open.values())

    async def _answer(self, run: Run, message_id: str) -> None:
        """The function of every run."""
        answering = self._open[message_id]
        assert answering is not None
        await answering.told.wait()
        answering.run = run
        try:
            if is_clearing(self.asked(answering.question.text) or answering.question.text):
                answering.change(started_at=now())
                await self._clear(run, answering)
            else:
                await self._speak(run, answering)
        except ModelError as error:
            reason = f" ({error.__cause__})" if error.__cause__ is not None else ""
            logger.warning("an answer failed: %s%s", error, reason)
            raise HubError(f"{error}.") from error
        except TimeoutError as error:
            raise HubError(TOO_LATE) from error
        except HubError:
            raise
        except Exception as error:
            logger.warning("an answer failed: %r", error, exc_info=error)
            raise HubError(UNEXPECTED) from error

    async def _speak(self, run: Run, answering: Answering) -> None:
        if self.models.get(answering.answer.model).is_local and not self._usable.is_set():
            await run.status("starting")
            await self._usable.wait()
        if self._slots.locked():
            await run.status("busy")
        async with self._slots:
            answering.change(started_at=answering.answer.started_at or now())
            await run.status("thinking")
            await self._reader.read(run, answering)

    async def _ended(self, run: FinishedRun) -> None:
        """`on_end`: the answer is added to the room's history, and charged."""
        answering = next(each for each in self._open.values() if each is not None and each.answer.run_id == run.info.id)
        await answering.ticket.close()
        await answering.told.wait()
        message = await answering.end(run)
        is_paid = run.info.state not in UNPAID
        tokens = sum(each.get("totalTokens", 0) for each in run.info.usage) if is_paid else 0
        if tokens:
            counted = [sum(each.get(name, 0) for each in run.info.usage) for name in ("inputTokens", "outputTokens")]
            cost = self.models.get(answering.answer.model).cost(*counted)
            answering.ticket.cost = cost or 0
            message = answering.change(tokens=tokens, told=counted[0], cost=None if cost is None else cost / MICRO)
        del self._open[message.id]
        self._journal.changed(message)
        try:
            await self._tell(answering.room, message)
            await answering.ticket.charge("", tokens)
            if run.info.state == "completed":
                self.titles.want(answering.room, answering.question.text)
        except StoreError:
            logger.error("the cost of an answer to %s was not counted", answering.ticket.user.id)
        await self._journal.flush()
