from typing import Any, Protocol

import pytest

from hubline import ConfigurationError, Hub, HubOptions, PolicyContext, authorize
from hubline._tasks import TaskOwner
from hubline.auth.policies import Policies
from hubline.connection import ConnectionScope, Identity
from hubline.server.runtime import HubRuntime
from hubline.testing import ManualClock
from tests.server.bench import CODECS


def runtime(hub: type[Hub[Any]], policies: Any = None) -> HubRuntime:
    return HubRuntime(
        hub,
        hub,
        codecs=list(CODECS.values()),
        options=HubOptions(),
        filters=(),
        policies=Policies(policies),
        clock=ManualClock(),
        tasks=TaskOwner("test"),
    )


def scope(identity: Identity | None = None) -> ConnectionScope:
    return ConnectionScope({"path": "/hub"}, identity)


class FaultyClient(Protocol):
    def not_async(self) -> None: ...


@authorize(policy="of the hub")
class Faulty(Hub[FaultyClient]):
    @authorize(policy="of the method")
    async def guarded(self) -> None: ...


class Broken(Hub[FaultyClient]):
    @authorize(policy="missing")
    async def stars(self, *args: int) -> None: ...


def test_mistakes_of_methods_clients_and_policies_are_found_together() -> None:
    with pytest.raises(ConfigurationError) as caught:
        runtime(Faulty)
    assert caught.value.problems == (
        "FaultyClient.not_async must be `async def`: calls to clients are awaited",
        "Faulty: there is no policy 'of the hub'",
        "Faulty.guarded: there is no policy 'of the method'",
    )
    with pytest.raises(ConfigurationError) as caught:
        runtime(Broken)
    assert len(caught.value.problems) == 3, "a wrong signature hides neither its policy nor the client's mistakes"


class Open(Hub): ...


@authorize
class NeedsUser(Hub): ...


@authorize(policy="long name")
class NeedsPolicy(Hub): ...


async def test_who_may_enter_a_hub() -> None:
    seen: list[PolicyContext] = []

    def long_name(context: PolicyContext) -> bool:
        seen.append(context)
        return len(context.identity.user_id or "") > 3

    policies = {"long name": long_name}
    assert await runtime(Open).authorize(scope()) is None
    assert await runtime(NeedsUser).authorize(scope()) == 401
    assert await runtime(NeedsUser).authorize(scope(Identity("ada"))) is None
    guarded = runtime(NeedsPolicy, policies)
    assert await guarded.authorize(scope()) == 401
    assert await guarded.authorize(scope(Identity("ada"))) == 403
    assert await guarded.authorize(scope(Identity("adalbert"))) is None
    assert [(context.hub, context.method, context.arguments) for context in seen] == [(NeedsPolicy, None, {})] * 2


def test_each_codec_has_its_ping() -> None:
    made = runtime(Open)
    assert made.ping_packet(CODECS["json"]) == b'{"type":6}\x1e'
    assert made.ping_packet(CODECS["messagepack"]) is made.ping_packet(CODECS["messagepack"])
