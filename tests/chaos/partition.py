"""The test of partitions, inside its namespace: `python -m tests.chaos.partition SEED SCENARIO …`."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import httpx

from hubline.backplanes.heartbeat import INTERVAL
from hubline.backplanes.lines import LONGEST_PAUSE, PATIENCE
from tests.chaos.fleet import LEASE, Fleet, Member
from tests.chaos.ledger import Apart, accounts
from tests.chaos.load import load
from tests.chaos.namespaces import Host, fleet_of_hosts
from tests.valkey import until


async def owns(fleet: Fleet, member: Member) -> bool:
    """Whether a run that has not ended was last called by this server."""
    living = [account.calls for account in accounts(fleet.ledger).values() if account.calls and not account.ends]
    return any(calls[-1].server == member.port for calls in living)


async def adopted(fleet: Fleet, gone: Member) -> bool:
    """Whether every run that a server had is with another one."""
    return not await owns(fleet, gone)


async def all_ended(fleet: Fleet) -> bool:
    return all(account.ends for account in accounts(fleet.ledger).values())


async def one_with_runs(fleet: Fleet, hosts: list[Host]) -> tuple[Member, Host]:
    while True:
        for member, host in zip(fleet.members, hosts, strict=True):
            if await owns(fleet, member):
                return member, host
        await asyncio.sleep(0.01)


async def apart(fleet: Fleet, member: Member, since: float) -> None:
    """It and Redis reach each other again: what it has bought meanwhile may be given up."""
    await until(member.ready)
    fleet.apart.append(Apart(member.port, since, time.time() + LONGEST_PAUSE + PATIENCE))
    fleet.failed.append(fleet.apart[-1])


async def for_a_moment(fleet: Fleet, hosts: list[Host]) -> None:
    """One server loses Redis for longer than a lease, and its runs with it. It hears nothing of that until then."""
    since, (member, host) = time.time(), await one_with_runs(fleet, hosts)
    host.lose_packets()
    await until(lambda: adopted(fleet, member))
    host.mend()
    fleet.let_go()
    await apart(fleet, member, since)


async def until_it_is_deaf(fleet: Fleet, hosts: list[Host]) -> None:
    """One server hears nothing, for so long that it notices; the others are not concerned."""
    since, (member, host) = time.time(), await one_with_runs(fleet, hosts)
    host.lose_packets()
    await until(lambda: adopted(fleet, member))
    await until(lambda: not_ready(member))
    took = time.time() - since
    print(f"not ready after {took:.1f} s")
    assert took > INTERVAL, "it was not told by the kernel, but has noticed by its heartbeat"
    assert "has not received its heartbeat" in member.log
    for other in fleet.members:
        assert other is member or await other.ready()
    host.mend()
    fleet.let_go()
    await apart(fleet, member, since)
    await until(lambda: logged(member, "receives its heartbeat"))  # again, if it had heard one before
    await until(lambda: logged(member, "messages of other servers may have been lost between"))


async def when_answers_are_lost(fleet: Fleet, hosts: list[Host]) -> None:
    """Redis does what one server asks for, and the server does not hear of it and asks again."""
    since, (member, host) = time.time(), await one_with_runs(fleet, hosts)
    host.lose_answers()
    await asyncio.sleep(PATIENCE + LEASE)
    host.mend()
    fleet.let_go()
    await apart(fleet, member, since)


async def all_of_them(fleet: Fleet, hosts: list[Host]) -> None:
    """No server reaches Redis, for some leases."""
    since = time.time()
    for host in hosts:
        host.lose_packets()
    await asyncio.sleep(3 * LEASE)
    for host in hosts:
        host.mend()
    fleet.let_go()
    for member in fleet.members:
        await apart(fleet, member, since)


async def logged(member: Member, text: str) -> bool:
    return text in member.log


async def not_ready(member: Member) -> bool:
    """Whether it says so itself: it still answers its clients."""
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        return (await http.get(f"{member.url}/readyz")).status_code == 503


SCENARIOS: dict[str, Callable[[Fleet, list[Host]], Awaitable[None]]] = {
    each.__name__: each for each in (for_a_moment, until_it_is_deaf, when_answers_are_lost, all_of_them)
}


async def main(seed: int, *scenarios: str) -> None:
    async with fleet_of_hosts(seed) as (fleet, hosts), load(fleet) as running:
        for name in scenarios:
            print(name)
            fleet.hold()
            await running.begin(6, tokens=60, pace=0.05)
            await SCENARIOS[name](fleet, hosts)
            await running.catch_up()
            await until(lambda: all_ended(fleet))


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
