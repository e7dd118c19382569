"""A thousand viewers of one run, through the real server's protocols: what one costs who does not read, and all."""

import asyncio
import zlib
from typing import Any

import pytest

from hubline import Encoded, HubApp
from hubline.client.events import CallFailed, Item, Opened, Result
from hubline.client.session import ClientSession
from hubline.runs import Run, Runs, RunsHub
from hubline.testing import ManualClock, running, settle
from hubline.wire.json import JsonCodec
from tests.runs.byte_lines import Cut, Site, WebSocketLine, Wire
from tests.runs.viewer import parts_of_runs

VIEWERS = 1_000
TEXTS = [f"{number:04} " * 1_000 for number in range(30)]
"""150 KB: more than what the system, the server and the outbox hold for somebody who does not read."""
PIECE = 64 * 1024 + 6_000
"""Bytes that wait in the socket of a slow reader at most: the limit, and the item that went beyond it."""


class Reader:
    """A viewer that keeps nothing but how much came and its checksum."""

    def __init__(self, site: Site, run_id: str) -> None:
        self.size = self.checksum = self.items = self.snapshots = 0
        self.live = self.done = False
        self._run_id, self._session = run_id, ClientSession(JsonCodec())
        self.line = WebSocketLine(site, "/runs?x=1", Cut(), self._hear)
        self.line.open(lambda: self.line.send(self._session.handshake(), binary=False))

    def _hear(self, data: bytes) -> None:
        for event in self._session.receive(data, 0.0):
            match event:
                case Opened():
                    self.line.send(self._session.stream("AttachRun", (self._run_id, None))[1], binary=False)
                case Item(value=item):
                    self._take(item)
                case Result():
                    self.done = True
                case CallFailed(error=error):
                    raise error
                case _:
                    pass

    def _take(self, item: Any) -> None:
        self.items += 1
        if item["kind"] == "snapshot":
            self.snapshots += 1
            self.size = self.checksum = 0
            for part in item["parts"]:
                self._add(part["text"])
        self._add(item.get("text", ""))
        self.live = self.live or item["kind"] == "live"

    def _add(self, text: str) -> None:
        self.size += len(text)
        self.checksum = zlib.crc32(text.encode(), self.checksum)


@pytest.mark.rule("R15", "R17", "R18", "R19")
async def test_a_thousand_viewers_of_whom_one_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    forms: list[Any] = []
    form = Encoded.form

    def counted(item: Encoded[Any], encode: Any) -> Any:
        before = len(item._forms)
        raw = form(item, encode)
        if len(item._forms) > before and item.value["kind"] == "text":
            forms.append(item.value["position"])
        return raw

    monkeypatch.setattr(Encoded, "form", counted)
    of_others = parts_of_runs()  # of other tests, whose applications something still holds
    clock, words = ManualClock(), asyncio.Queue[str | None]()
    runs = Runs(clock=clock, drain=0.0, keep=10)
    tasks_before, runs_before = len(asyncio.all_tasks()), runs.statistics()

    async def answer(run: Run) -> None:
        while (word := await words.get()) is not None:
            await run.text(word)

    class Hub(RunsHub, runs=runs): ...

    app = HubApp({"/runs": Hub}, clock=clock)
    async with running(app, clock=clock) as served:
        run_id = (await runs.start(answer)).id
        site = Site(served)
        readers = [Reader(site, run_id) for _ in range(VIEWERS)]
        for _ in range(20):
            await settle()
        assert all(reader.live for reader in readers)
        assert runs.statistics()["viewers"] == VIEWERS
        slow, *others = readers
        slow.line.stall(True)
        for text in TEXTS:
            words.put_nowait(text)
            await settle()
            await clock.advance(0.03)
        words.put_nowait(None)
        await settle()
        whole = "".join(TEXTS)
        expected = (len(whole), zlib.crc32(whole.encode()), True)
        assert {(reader.size, reader.checksum, reader.done) for reader in others} == {expected}
        assert len(forms) == len(set(forms)) == len(TEXTS)  # each was encoded once, for all
        waits = app.statistics()["transports"]
        (wire,) = slow.line.wires
        assert isinstance(wire, Wire)
        assert not slow.done
        assert wire.get_write_buffer_size() <= PIECE
        assert waits.queued_bytes <= PIECE, waits
        slow.line.stall(False)
        await settle()
        assert (slow.size, slow.checksum, slow.done) == expected
        assert slow.items < len(TEXTS)
        assert slow.snapshots == 1
        site.close()
        await settle()
    await clock.advance(11)
    await settle()
    assert runs.statistics() == runs_before | {"keys": 0}
    assert len(asyncio.all_tasks()) == tasks_before
    del app, served, site, readers, others, slow, wire
    assert parts_of_runs() <= of_others
