"""The conformance suite for logs of runs: the guarantees for viewers and owners of a run."""

import asyncio
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from hubline.runs import FencedError, LogGoneError, RunLog, Tape

RUN = "run-1"


def text(number: int, part: str = "1") -> dict[str, Any]:
    """An entry with its number as text."""
    return {"kind": "text", "part": part, "text": f"{number} "}


def kept(tape: Tape) -> list[Any]:
    """The items that a tape still has."""
    return [tape.at(seq).item for seq in range(tape.base + 1, tape.end + 1)]


class RunLogSuite:
    """The tests that every `hubline.runs.RunLog` must pass.

    Subclass it as `TestMyLog` and override `log`. The tests are `async def`, for pytest-asyncio in its mode `auto`.
    """

    def log(self, entries: int) -> AbstractAsyncContextManager[RunLog]:
        """Yield a log without runs that keeps this number of entries of each run. It is used while the block runs."""
        raise NotImplementedError("override `log`")

    async def test_entries_are_read_in_the_order_in_which_they_were_appended(self) -> None:
        async with self.log(100) as log:
            await log.create(RUN)
            await log.append(RUN, [text(1), text(2)])
            await log.append(RUN, [{"kind": "data", "part": "2", "name": "n", "value": {"a": [1, None]}}])
            async with log.follow(RUN) as tape:
                assert [{**item, "position": None} for item in kept(tape)] == [
                    {**text(1), "position": None},
                    {**text(2), "position": None},
                    {"kind": "data", "part": "2", "name": "n", "value": {"a": [1, None]}, "position": None},
                ]
                assert tape.parts.text() == "1 2 "

    async def test_each_entry_has_a_position_of_its_own_that_finds_it_again(self) -> None:
        async with self.log(100) as log:
            await log.create(RUN)
            await log.append(RUN, [text(number) for number in range(20)])
            async with log.follow(RUN) as tape:
                positions = [item["position"] for item in kept(tape)]
                assert len(set(positions)) == 20
                assert [tape.seq_of(position) for position in positions] == [*range(1, 21)]

    async def test_a_follower_has_what_was_appended_when_the_append_returns(self) -> None:
        async with self.log(100) as log:
            await log.create(RUN)
            async with log.follow(RUN) as tape:
                heard: list[int] = []
                tape.listeners.append(lambda entry: heard.append(entry.seq))
                for number in range(1, 6):
                    await log.append(RUN, [text(number)])
                    assert (tape.end, len(heard)) == (number, number)

    async def test_the_end_and_open_questions_are_in_the_tape(self) -> None:
        question = {"askId": "a", "prompt": "Go on?", "schema": {"type": "boolean"}, "expiresAt": None}
        async with self.log(100) as log:
            await log.create(RUN)
            await log.append(RUN, [{"kind": "ask", **question}])
            async with log.follow(RUN) as tape:
                assert tape.asks == {"a": question}
                answer = {"kind": "answered", "askId": "a", "by": None, "value": True, "expired": False}
                end: dict[str, Any] = {"kind": "end", "state": "completed", "error": None, "usage": [], "unread": []}
                await log.append(RUN, [answer, end])
                assert tape.asks == {}
                assert tape.ended is not None
                assert tape.ended.item["state"] == "completed"

    async def test_past_its_entries_a_log_drops_the_older_half_and_keeps_what_they_said(self) -> None:
        async with self.log(10) as log:
            await log.create(RUN)
            await log.append(RUN, [text(number) for number in range(95)])
            async with log.follow(RUN) as tape:
                assert 5 <= tape.end - tape.base <= 10
                assert tape.end == 95
                assert tape.parts.text() == "".join(f"{number} " for number in range(95))
                positions = [item["position"] for item in kept(tape)]
                assert [tape.seq_of(position) for position in positions] == [*range(tape.base + 1, 96)]

    async def test_who_follows_while_a_log_is_folded_has_the_same_as_who_comes_late(self) -> None:
        async with self.log(10) as log:
            await log.create(RUN)
            async with log.follow(RUN) as early:
                for number in range(40):
                    await log.append(RUN, [text(number, part=str(number % 3))])
                await log.append(RUN, [{"kind": "retract", "parts": ["1"]}])
                async with log.follow(RUN) as late:
                    assert late.parts.items() == early.parts.items()
                    assert [name for name, _ in late.parts] == ["0", "2"]
                    assert late.position(late.end) == early.position(early.end)

    async def test_a_log_that_begins_anew_has_another_epoch(self) -> None:
        async with self.log(100) as log:
            await log.create(RUN)
            await log.append(RUN, [text(1)])
            async with log.follow(RUN) as tape:
                position = kept(tape)[0]["position"]
            await log.remove(RUN)
            await log.create(RUN)
            await log.append(RUN, [text(1)])
            async with log.follow(RUN) as tape:
                assert tape.seq_of(position) is None
                assert kept(tape)[0]["position"] != position

    async def test_a_run_has_one_log(self) -> None:
        async with self.log(100) as log:
            await log.create(RUN)
            try:
                await log.create(RUN)
            except ValueError:
                return
            raise AssertionError("a second log was made for the run")

    async def test_runs_do_not_mix(self) -> None:
        async with self.log(100) as log:
            await log.create(RUN)
            await log.create("run-2")
            await log.append(RUN, [text(1)])
            await log.append("run-2", [text(2)])
            async with log.follow(RUN) as one, log.follow("run-2") as two:
                assert (one.parts.text(), two.parts.text()) == ("1 ", "2 ")

    async def test_who_was_replaced_cannot_write(self) -> None:
        async with self.log(100) as log:
            await log.create(RUN, fence=1)
            await log.append(RUN, [text(1)], fence=1)
            await log.claim(RUN, fence=2)
            await self.refused(log.append(RUN, [text(2), text(3)], fence=1), FencedError)
            await log.append(RUN, [text(4)], fence=2)
            async with log.follow(RUN) as tape:
                assert tape.parts.text() == "1 4 "
                assert [tape.seq_of(item["position"]) for item in kept(tape)] == [1, 2]

    async def test_a_run_is_claimed_with_a_greater_number_only(self) -> None:
        async with self.log(100) as log:
            await log.create(RUN, fence=5)
            await self.refused(log.claim(RUN, fence=5), FencedError)
            await self.refused(log.claim(RUN, fence=4), FencedError)
            await log.append(RUN, [text(1)], fence=5)

    async def test_a_run_is_owned_by_whoever_claimed_it_last(self) -> None:
        async with self.log(100) as log:
            await self.refused(log.owns(RUN), LogGoneError)
            await log.create(RUN, fence=5)
            assert await log.owns(RUN, fence=5)
            await log.claim(RUN, fence=6)
            assert not await log.owns(RUN, fence=5)
            assert await log.owns(RUN, fence=6)

    async def test_many_followers_see_the_same_while_many_write(self) -> None:
        async with self.log(10_000) as log, AsyncExitStack() as stack:
            await log.create(RUN)
            tapes = [await stack.enter_async_context(log.follow(RUN)) for _ in range(20)]
            pairs = [log.append(RUN, [text(number, "1"), text(number, "1")]) for number in range(100)]
            await asyncio.gather(*pairs)
            found = [kept(tape) for tape in tapes]
            assert all(items == found[0] for items in found)
            said = [item["text"] for item in found[0]]
            assert sorted(said) == sorted(f"{number} " for number in range(100) for _ in range(2))
            assert said[::2] == said[1::2]  # no other entries are between those of one append

    async def test_without_a_log_there_is_nothing_to_do(self) -> None:
        async with self.log(100) as log:
            await log.remove("nothing")
            await self.refused(log.append("nothing", [text(1)]), LogGoneError)
            await self.refused(log.claim("nothing", fence=2), LogGoneError)
            await self.refused(log.follow("nothing").__aenter__(), LogGoneError)

    async def test_a_log_that_is_removed_is_gone_and_leaves_its_followers_what_they_had(self) -> None:
        async with self.log(100) as log:
            await log.create(RUN)
            await log.append(RUN, [text(1)])
            async with log.follow(RUN) as tape:
                await log.remove(RUN)
                assert tape.parts.text() == "1 "
                await self.refused(log.append(RUN, [text(2)]), LogGoneError)

    async def refused(self, attempt: Any, error: type[Exception]) -> None:
        try:
            await attempt
        except error:
            return
        raise AssertionError(f"{error.__name__} was not raised")
