import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from hubline._bursts import bursts_of
from hubline._loops import PerLoop


def test_there_is_one_for_each_loop() -> None:
    table = PerLoop(lambda loop: [id(loop)])
    one, other = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        assert table.of(one) is table.of(one)
        assert table.of(one) == [id(one)]
        assert table.of(other) == [id(other)]
    finally:
        one.close()
        other.close()


@pytest.mark.parametrize("of", [PerLoop(lambda loop: []).of, bursts_of], ids=["any", "bursts"])
def test_it_goes_with_its_loop(of: Callable[[asyncio.AbstractEventLoop], Any]) -> None:
    loop = asyncio.new_event_loop()
    of(loop)
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None
