from typing import Any

import pytest

from hubline.auth.policies import (
    Policies,
    PolicyContext,
    Requirement,
    all_of,
    allow_anonymous,
    any_of,
    authorize,
    requirements_of,
)
from hubline.connection import ConnectionScope, Identity
from hubline.errors import ConfigurationError

CONTEXT = PolicyContext(identity=Identity("ada"), scope=ConnectionScope({"path": "/"}), hub=object)


def test_authorize_marks_functions_and_several_of_them_add_up() -> None:
    @authorize
    @authorize(policy="A")
    @authorize(roles="admin")
    @authorize(roles=("admin", "staff"), policy="B")
    @authorize()
    def method() -> None: ...

    def free() -> None: ...

    assert requirements_of(method) == (
        Requirement(),
        Requirement("B", ("admin", "staff")),
        Requirement(roles=("admin",)),
        Requirement("A"),
        Requirement(),
    )
    assert requirements_of(free) == ()


def test_a_class_inherits_what_its_bases_require() -> None:
    @authorize(policy="A")
    class Base: ...

    @authorize
    class Hub(Base): ...

    class Plain(Hub): ...

    assert requirements_of(*Base.__mro__) == (Requirement("A"),)
    assert requirements_of(*Hub.__mro__) == (Requirement("A"), Requirement())
    assert requirements_of(*Plain.__mro__) == (Requirement("A"), Requirement())


def test_allow_anonymous_beats_what_is_inherited_and_a_later_authorize_beats_it() -> None:
    @authorize(policy="A")
    class Guarded: ...

    @allow_anonymous
    class Open(Guarded): ...

    @authorize(policy="B")
    class GuardedAgain(Open): ...

    assert requirements_of(*Open.__mro__) == ()
    assert requirements_of(*GuardedAgain.__mro__) == (Requirement("B"),)


def test_a_mixin_that_is_open_does_not_open_its_siblings() -> None:
    @allow_anonymous
    class Open: ...

    @authorize(policy="A")
    class Closed: ...

    class Mixed(Open, Closed): ...

    assert requirements_of(*Mixed.__mro__) == (Requirement("A"),)


@pytest.mark.parametrize("roles", [(), [], "", ("admin", "")])
def test_roles_that_are_empty_would_admit_everybody_and_are_a_mistake(roles: str | tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="names no role"):
        authorize(roles=roles)


@pytest.mark.parametrize("roles", [5, {"admin": True}, [5], b"admin"])
def test_what_names_no_role_or_policy_is_a_mistake(roles: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"@authorize\.roles must be a list of texts"):
        authorize(roles=roles)
    with pytest.raises(ConfigurationError, match=r"@authorize\.policy must be the name of a policy"):
        authorize(policy=roles)


def test_unknown_policies_are_named_each_one() -> None:
    @authorize
    @authorize(policy="A")
    @authorize(policy=any_of("A", all_of("B", "C")))
    @authorize(policy="D")
    def method() -> None: ...

    policies = Policies({"A": lambda context: True})
    assert policies.problems("Hub.method", method) == [
        "Hub.method: there is no policy 'D'",
        "Hub.method: there is no policy 'B'",
        "Hub.method: there is no policy 'C'",
    ]


def test_demanding_and_waiving_at_one_place_is_a_mistake() -> None:
    @authorize
    @allow_anonymous
    def method() -> None: ...

    assert Policies().problems("Hub.method", method) == [
        "Hub.method: it has both @authorize and @allow_anonymous; remove one of them"
    ]


async def test_every_policy_must_admit_and_the_first_refusal_ends_it() -> None:
    asked: list[str] = []

    def yes(context: PolicyContext) -> bool:
        asked.append("yes")
        return context is CONTEXT

    async def no(context: PolicyContext) -> bool:
        asked.append("no")
        return False

    policies = Policies({"yes": yes, "no": no})
    assert await policies.admit([], CONTEXT)
    assert await policies.admit([Requirement(), Requirement("yes")], CONTEXT)
    assert not await policies.admit([Requirement("yes"), Requirement("no"), Requirement("yes")], CONTEXT)
    assert asked == ["yes", "yes", "no"]


@pytest.mark.parametrize(
    ("rule", "admits", "asks"),
    [
        (any_of("yes", "no"), True, ["yes"]),
        (any_of("no", "yes"), True, ["no", "yes"]),
        (any_of("no", "no"), False, ["no", "no"]),
        (all_of("yes", "yes"), True, ["yes", "yes"]),
        (all_of("no", "yes"), False, ["no"]),
        (all_of("yes", any_of("no", all_of("yes", "yes"))), True, ["yes", "no", "yes", "yes"]),
    ],
    ids=str,
)
async def test_policies_combine(rule: str, admits: bool, asks: list[str]) -> None:
    asked: list[str] = []

    def yes(context: PolicyContext) -> bool:
        asked.append("yes")
        return True

    async def no(context: PolicyContext) -> bool:
        asked.append("no")
        return False

    assert await Policies({"yes": yes, "no": no}).admit([Requirement(rule)], CONTEXT) is admits
    assert asked == asks


@pytest.mark.parametrize(("roles", "admits"), [((), False), (("guest",), False), (("staff", "guest"), True)])
async def test_one_of_the_roles_is_enough_and_several_demands_must_all_be_met(
    roles: tuple[str, ...], admits: bool
) -> None:
    context = PolicyContext(identity=Identity("ada", roles=frozenset(roles)), scope=CONTEXT.scope, hub=object)
    either = Requirement(roles=("admin", "staff"))
    assert await Policies().admit([either], context) is admits
    assert not await Policies().admit([either, Requirement(roles=("admin",))], context)


async def test_a_policy_that_raises_refuses_by_its_error() -> None:
    def broken(context: PolicyContext) -> bool:
        raise LookupError("no such room")

    with pytest.raises(LookupError):
        await Policies({"broken": broken}).admit([Requirement(any_of("broken"))], CONTEXT)


def test_only_names_and_combinations_combine() -> None:
    with pytest.raises(ConfigurationError, match="take names of policies"):
        any_of()
    with pytest.raises(ConfigurationError, match="take names of policies"):
        all_of("A", len)  # type: ignore[arg-type]


def test_requirements_read_like_a_sentence() -> None:
    assert str(Requirement()) == "any user"
    assert str(Requirement(roles=("admin", "staff"))) == "role admin or staff"
    assert str(Requirement(all_of("A", any_of("B", "C")), ("admin",))) == "role admin and policy (A and (B or C))"
