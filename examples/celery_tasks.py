"""Celery as a publisher: a task in another process tells the clients of a hub how far it is.

Start the hub with `hubline run --app-dir examples celery_tasks:app`, and in the directory of this file a worker with
`celery -A celery_tasks:celery worker`. Both find each other by the Redis or Valkey in `REDIS_URL`.
"""

import asyncio
import os
from typing import Protocol

from celery import Celery

from hubline import BlockingPublisher, Hub, HubApp
from hubline.backplanes.redis import RedisBackplane

REDIS = os.environ.get("REDIS_URL", "redis://localhost:6379")


class ReportClient(Protocol):
    async def progress(self, report: str, percent: int) -> None: ...


class ReportHub(Hub[ReportClient]):
    async def order(self, report: str, pages: int) -> None:
        await self.groups.add(self.context.connection_id, report)
        await asyncio.to_thread(render.delay, report, pages)  # `delay` blocks until the broker has the task


celery = Celery("reports", broker=REDIS)
reports = BlockingPublisher(REDIS, ReportHub)  # connects when it is first used, in each process of the worker


@celery.task
def render(report: str, pages: int) -> None:
    for page in range(1, pages + 1):  # stands for the work
        reports.clients.group(report).progress(report, 100 * page // pages)


app = HubApp({"/reports": ReportHub}, backplane=RedisBackplane(REDIS))
