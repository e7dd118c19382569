import pytest

from hubline.auth.policies import Policies, PolicyContext, Requirement, authorize, requirements_of
from hubline.connection import ConnectionScope, Identity

CONTEXT = PolicyContext(identity=Identity("ada"), scope=ConnectionScope({"path": "/"}), hub=object)


def test_authorize_marks_functions_and_several_of_them_add_up() -> None:
    @authorize
    @authorize(policy="A")
    @authorize()
    def method() -> None: ...

    def free() -> None: ...

    assert requirements_of(method) == (Requirement(), Requirement("A"), Requirement())
    assert requirements_of(free) == ()


def test_a_class_inherits_what_its_bases_require() -> None:
    @authorize(policy="A")
    class Base: ...

    @authorize
    class Hub(Base): ...

    class Plain(Hub): ...

    assert requirements_of(Base) == (Requirement("A"),)
    assert requirements_of(Hub) == (Requirement("A"), Requirement())
    assert requirements_of(Plain) == (Requirement("A"), Requirement())


def test_unknown_policies_are_named() -> None:
    policies = Policies({"A": lambda context: True})
    requirements = [Requirement(), Requirement("A"), Requirement("B"), Requirement("C")]
    assert policies.problems("Hub", requirements) == ["Hub: there is no policy 'B'", "Hub: there is no policy 'C'"]
    assert Policies().problems("Hub.ask", [Requirement("A")]) == ["Hub.ask: there is no policy 'A'"]


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


async def test_a_policy_that_raises_refuses_by_its_error() -> None:
    def broken(context: PolicyContext) -> bool:
        raise LookupError("no such room")

    with pytest.raises(LookupError):
        await Policies({"broken": broken}).admit([Requirement("broken")], CONTEXT)
