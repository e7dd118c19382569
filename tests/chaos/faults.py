"""What happens to a fleet. How long each fault lasts is up to the seed: shorter than a lease, or longer."""

import asyncio
import signal
import time

from hubline.backplanes.lines import LONGEST_PAUSE
from tests.chaos.fleet import LEASE, Fleet, Member, Servers
from tests.chaos.ledger import Apart
from tests.valkey import until


async def last(fleet: Fleet, most: float) -> None:
    """A fault goes on for up to so many leases."""
    await asyncio.sleep(fleet.seeded.uniform(0.1, most) * LEASE)


async def kill_server(fleet: Fleet) -> None:
    member, since = fleet.seeded.choice(fleet.members), time.time()
    await member.kill()
    fleet.failed.append(Apart(member.port, since, time.time()))
    await last(fleet, 3)
    await member.start()


async def freeze_server(fleet: Fleet) -> None:
    member, since = fleet.seeded.choice(fleet.members), time.time()
    member.send(signal.SIGSTOP)
    await last(fleet, 4)
    member.send(signal.SIGCONT)
    fleet.failed.append(Apart(member.port, since, time.time()))
    await until(member.ready)


async def restart_storage(fleet: Servers) -> None:
    since = time.time()
    await asyncio.to_thread(fleet.storage.stop)
    await last(fleet, 3)
    await asyncio.to_thread(fleet.storage.start)
    await storage_is_back(fleet, since)


async def freeze_storage(fleet: Servers) -> None:
    since = time.time()
    fleet.storage.freeze()
    await last(fleet, 3)
    fleet.storage.thaw()
    await storage_is_back(fleet, since)


async def storage_is_back(fleet: Servers, since: float) -> None:
    """All were cut off from it. A server that is killed before it has written what it bought meanwhile loses that."""
    for member in fleet.members:
        await until(member.ready)
        apart(fleet, member, since)


async def cut_off(fleet: Servers) -> None:
    """One server and the storage do not reach each other: it is refused, or nothing gets through."""
    number = fleet.seeded.randrange(len(fleet.members))
    way, member, since = fleet.ways[number], fleet.members[number], time.time()
    fleet.seeded.choice([way.cut, way.silence])()
    await last(fleet, 5)
    way.mend()
    await until(member.ready)
    apart(fleet, member, since)


def apart(fleet: Servers, member: Member, since: float) -> None:
    """A server was cut off from the storage, which can be reached from now on."""
    fleet.apart.append(Apart(member.port, since, time.time() + LONGEST_PAUSE))
    fleet.failed.append(fleet.apart[-1])


async def replace_server(fleet: Fleet) -> None:
    """In good order."""
    member = fleet.seeded.choice(fleet.members)
    await member.stop()
    await last(fleet, 1)
    await member.start()


FAULTS = [kill_server, freeze_server, restart_storage, freeze_storage, cut_off]


async def deploy(fleet: Fleet) -> None:
    """One server after the other is stopped in good order, and replaced."""
    for member in fleet.members:
        await member.stop()
        await member.start()
