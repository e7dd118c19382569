"""An assistant on several servers: whichever a client comes to has its answers, and says to all what is said in a room.

REDIS_URL is where the servers meet. NODE_SECRET is known to all of them: each takes the others' requests at
NODE_LISTEN, which they reach at NODE_ADVERTISE. TRUSTED_PROXIES are the networks of the load balancer, with commas.
"""

import asyncio
import logging
import os
from collections.abc import AsyncIterator

from hubline import HubApp, HubRoute, Nodes
from hubline.backplanes.redis import RedisBackplane
from hubline.runs import FinishedRun, Run, Runs, RunsHub
from hubline.runs.redis_log import RedisRunLog

REDIS = os.environ.get("REDIS_URL", "redis://localhost:6379")
logger = logging.getLogger("assistant")
PROXIES = os.environ.get("TRUSTED_PROXIES", "127.0.0.1").split(",")


async def model(prompt: str, behind: int) -> AsyncIterator[str]:
    """Stands for yours: the words behind those that an earlier call has written."""
    said = f"You asked: {prompt} That takes a while to say, and goes on whichever server is stopped."
    for word in said.split()[behind:]:
        await asyncio.sleep(0.2)
        yield f"{word} "


async def store(run: FinishedRun) -> None:
    """Put it into your database, under its id: after a crash it may be told twice."""
    logger.info("run %s is %s: %s", run.info.id, run.info.state, run.text)


# Another server goes on at once with what is not finished here, so nothing is waited for at a shutdown.
runs = Runs(log=RedisRunLog(REDIS), on_end=store, drain=0)


@runs.function(restartable=True)
async def answer(run: Run, prompt: str) -> None:
    written = "".join(part["text"] for part in run.parts if part["kind"] == "text")
    async for word in model(prompt, len(written.split())):
        await run.text(word)


class Assistant(RunsHub, runs=runs):
    async def ask(self, prompt: str, message_id: str) -> str:
        return (await self.runs.start(answer, prompt, key=message_id)).id

    async def join(self, room: str) -> None:
        await self.groups.add(self.context.connection_id, room)

    async def say(self, room: str, text: str) -> None:
        await self.clients.group(room).send("Said", text)


app = HubApp(
    {"/assistant": HubRoute(Assistant, name="Assistant")},
    backplane=RedisBackplane(REDIS),
    nodes=Nodes(
        secret=os.environ["NODE_SECRET"],
        listen=os.environ.get("NODE_LISTEN", "tcp://0.0.0.0:7000"),
        advertise=os.environ.get("NODE_ADVERTISE"),
    ),
    trusted_proxies=PROXIES,
    on_drain=runs.drain,
    drain_timeout=20,
)
