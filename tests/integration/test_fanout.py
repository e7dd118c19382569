"""Who receives a message, and who must not: an absence is proved by a message that is sent afterwards."""

from uuid import uuid4

import pytest

from tests.integration.driver import WAYS, Connector, Peer, call, connector, done, received
from tests.integration.wire_form import Message


async def heard(sender: Peer, *others: Peer) -> list[list[Message]]:
    """What each connection was sent, up to a message that is sent now and so arrives last."""
    fence, found = uuid4().hex, []
    everyone = [sender, *others]
    await sender.send(call(None, "ToClients", [each.id for each in everyone], fence))
    for peer in everyone:
        messages: list[Message] = []
        while (message := await peer.receive()) != received("clients", fence):
            messages.append(message)
        found.append(messages)
    return found


async def heard_as(label: str, *peers: Peer) -> list[list[str]]:
    """The same, but only the texts that came under this label."""
    found = [[each["arguments"] for each in messages] for messages in await heard(*peers)]
    return [[text for its_label, text in messages if its_label == label] for messages in found]


def unique() -> str:
    return uuid4().hex


@pytest.mark.statement(150)
@pytest.mark.parametrize(
    ("target", "excluded", "label", "receivers"),
    [
        ("ToOthers", None, "others", (1, 2)),
        ("ToAllExcept", (0, 1), "allexcept", (2,)),
        ("ToCaller", None, "caller", (0,)),
    ],
)
async def test_all_and_all_but(
    connect: Connector, target: str, excluded: tuple[int, ...] | None, label: str, receivers: tuple[int, ...]
) -> None:
    peers, text = await connect.several(3), unique()
    arguments = [] if excluded is None else [[peers[i].id for i in excluded]]
    assert await peers[0].result("Nothing") is None
    await peers[0].send(call(None, target, *arguments, text))
    found = [[each for each in messages if each["arguments"][1] == text] for messages in await heard(*peers)]
    assert found == [[received(label, text)] if i in receivers else [] for i in range(3)]


@pytest.mark.statement(149, 150, 155)
async def test_groups(connect: Connector) -> None:
    peers, group = await connect.several(4), unique()
    for peer in (peers[0], peers[1], peers[1], peers[2]):
        assert await peer.result("Join", group) is None
    assert await peers[3].result("Leave", group) is None
    for target, arguments in (("ToGroup", ()), ("ToOthersInGroup", ()), ("ToGroupExcept", ([peers[1].id],))):
        await peers[0].send(call(None, target, group, *arguments, target))
    wanted = [
        ("ToGroup", "ToGroupExcept"),
        ("ToGroup", "ToOthersInGroup"),
        ("ToGroup", "ToOthersInGroup", "ToGroupExcept"),
        (),
    ]
    found = [
        [each["arguments"] for each in messages if each["arguments"][0] == group] for messages in await heard(*peers)
    ]
    assert found == [[[group, text] for text in texts] for texts in wanted]
    assert await peers[2].result("Leave", group) is None
    await peers[3].send(call(None, "ToGroup", group, "last"))
    found = [
        [each["arguments"] for each in messages if each["arguments"][0] == group]
        for messages in await heard(*reversed(peers))
    ]
    assert found == [[], [], [[group, "last"]], [[group, "last"]]]


@pytest.mark.statement(149)
async def test_a_group_forgets_who_is_gone(connect: Connector) -> None:
    stays, leaves = await connect.several(2)
    group = unique()
    for peer in (stays, leaves):
        await peer.result("Join", group)
    await leaves.send({"type": 7})
    assert await leaves.rest() == [{"type": 7}]
    await stays.send(call(None, "ToClient", leaves.id, "x"), call(None, "ToGroup", group, "y"))
    assert await heard(stays) == [[received(group, "y")]]


@pytest.mark.statement(151)
async def test_a_member_of_two_groups_hears_twice(connect: Connector) -> None:
    peer, other = await connect.several(2)
    one, two = unique(), unique()
    for group in (one, two):
        await peer.result("Join", group)
    await other.result("Join", two)
    await peer.send(call(None, "ToGroups", [one, two], "x"))
    assert await heard(peer, other) == [[received("groups", "x")] * 2, [received("groups", "x")]]


@pytest.mark.statement(152, 155)
async def test_nobody_is_no_error(connect: Connector) -> None:
    peer = await connect()
    for target, arguments in (
        ("ToClient", ["nobody"]),
        ("ToClients", [["nobody", "nobody else"]]),
        ("ToUser", ["nobody"]),
        ("ToUsers", [[]]),
        ("ToGroup", ["nothing"]),
        ("ToGroups", [["nothing", "at all"]]),
        ("ToGroupExcept", ["nothing", []]),
        ("ToOthersInGroup", ["nothing"]),
    ):
        assert await peer.result(target, *arguments, "x") is None
    assert await peer.result("Leave", "never joined") is None
    assert await peer.result("JoinOther", "nobody", "g") is None
    assert await peer.is_alive()


@pytest.mark.statement(153)
async def test_all_connections_of_a_user_and_of_no_other(connect: Connector) -> None:
    user = f"U{unique()}"
    tokens = [await connect.token(f"sub={name}") for name in (user, user, user.lower())]
    peers = [await connect(), *[await connect(token=token) for token in tokens]]
    for peer in peers:
        await peer.admitted()
    await peers[0].send(call(None, "ToUser", user, "x"), call(None, "ToUsers", [user.lower(), user], "y"))
    both = [received("user", "x"), received("users", "y")]
    assert await heard(*peers) == [[], both, both, [received("users", "y")]]


@pytest.mark.statement(154)
async def test_every_way_hears_every_other(server: str) -> None:
    async with connector(server, WAYS[0]) as connect:
        peers, group = [await connect(way=way) for way in WAYS], unique()
        for peer in peers:
            await peer.result("Join", group)
        for peer in peers:
            await peer.send(call(None, "ToGroup", group, str(peer.way)))
            assert [await each.receive() for each in peers] == [received(group, str(peer.way))] * len(peers)


@pytest.mark.statement(158, 159)
async def test_a_client_is_asked_and_answers(connect: Connector) -> None:
    asker, asked = await connect.several(2)
    for number in (1, 2):
        await asker.send(call(str(number), "AskClient", asked.id, number), call("next", "Add", 1, 2))
        question = await asked.receive()
        assert (question["target"], question["arguments"]) == ("Double", [number])
        assert question["invocationId"].startswith("s")
        await asked.send(done(question["invocationId"], result=number * 2))
        answers = await asker.receive_many(2)
        assert done(str(number), result=number * 2) in answers
        assert done("next", result=3) in answers


@pytest.mark.statement(161)
async def test_an_answer_to_another_connections_question_closes_the_one_that_sends_it(connect: Connector) -> None:
    asker, asked, meddler = await connect.several(3)
    await asker.send(call("1", "AskClient", asked.id, 21))
    question = await asked.receive()
    await meddler.send(done(question["invocationId"], result=1))
    assert (await meddler.rest())[-1]["type"] == 7
    await asked.send(done(question["invocationId"], result=42))
    assert await asker.receive() == done("1", result=42)


@pytest.mark.statement(162, 163)
async def test_a_client_that_is_not_there_or_leaves(connect: Connector) -> None:
    asker, asked = await connect.several(2)
    text = "An unexpected error occurred invoking 'AskClient' on the server."
    assert await asker.call("AskClient", "nobody", 21) == {"error": text}
    await asker.send(call("1", "AskClient", asked.id, 21))
    await asked.receive()
    await asked.send({"type": 7})
    assert await asker.receive() == done("1", error=text)
    assert await asker.is_alive()


async def test_an_answer_that_is_no_number(connect: Connector) -> None:
    asker, asked = await connect.several(2)
    await asker.send(call("1", "AskClient", asked.id, 21))
    await asked.send(done((await asked.receive())["invocationId"], result="a word"))
    answer = await asker.receive()
    assert answer["error"].startswith("An unexpected error occurred invoking 'AskClient' on the server.")
    assert await asked.is_alive()
