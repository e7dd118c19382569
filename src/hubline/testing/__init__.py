"""Tests of hubs: clients that connect to the real application in memory, and a manual clock.

clock = ManualClock()
hubs = HubApp({"/chat": ChatHub}, clock=clock)
async with running(hubs) as app, connect(app, "/chat") as ada, connect(app, "/chat", transport="sse") as bob:
    await ada.invoke("SendMessage", "Ada", "hello")
    assert await bob.expect("ReceiveMessage") == ["Ada", "hello"]
"""

from hubline.testing.asgi import RefusedError, running
from hubline.testing.backplane import BackplaneSuite
from hubline.testing.budgets import BudgetSuite
from hubline.testing.client import InMemoryClient
from hubline.testing.clock import ManualClock, settle
from hubline.testing.conformance import QuestionsSuite, UsageStoreSuite
from hubline.testing.harness import connect, connect_raw
from hubline.testing.peer import Closed, RawClient
from hubline.testing.room_stores import RoomStoreSuite
from hubline.testing.run_logs import RunLogSuite
from hubline.testing.run_registries import RunRegistrySuite

__all__ = [
    "BackplaneSuite",
    "BudgetSuite",
    "Closed",
    "InMemoryClient",
    "ManualClock",
    "QuestionsSuite",
    "RawClient",
    "RefusedError",
    "RoomStoreSuite",
    "RunLogSuite",
    "RunRegistrySuite",
    "UsageStoreSuite",
    "connect",
    "connect_raw",
    "running",
    "settle",
]
