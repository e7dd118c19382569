"""Search of messages, as pages call it."""

import time
from pathlib import Path

import pytest

from apps.chat.tests.files.test_files import send, uploaded
from apps.chat.tests.harness import Page, chat
from apps.chat.tests.test_hubs import refusal
from hubline_chat.hubs import SEARCHES
from hubline_chat.search import PAGE, QUERY_LENGTH, WORDS, excerpt, terms_of
from hubline_chat.store.search import Term


async def found(page: Page, query: str, room: str | None = None, skip: int = 0) -> list[str]:
    """The texts, each hit in brackets."""
    result = await page.client.invoke("Search", query, room, skip)
    return [marked(each["excerpt"]) for each in result["found"]]


def marked(parts: list[str]) -> str:
    return "".join(f"[{part}]" if index % 2 else part for index, part in enumerate(parts))


@pytest.mark.parametrize(
    ("query", "terms"),
    [
        ("", []),
        (" .,!? 🌈 ", []),
        ("One two", [Term(("one",)), Term(("two",), True)]),
        ("one two ", [Term(("one",)), Term(("two",))]),
        ("one a", [Term(("one",)), Term(("a",))]),
        ('say "one two" three', [Term(("say",)), Term(("one", "two")), Term(("three",), True)]),
        ('"one two"', [Term(("one", "two"))]),
        ('"one tw', [Term(("one", "tw"), True)]),
        ("„Größe zwei“ Äpfel.", [Term(("grösse", "zwei")), Term(("äpfel",))]),
        ("don't", [Term(("don",)), Term(("t",))]),
    ],
)
def test_a_query_has_words_phrases_and_a_beginning(query: str, terms: list[Term]) -> None:
    assert terms_of(query) == terms


def test_only_so_many_words_of_a_query_count() -> None:
    assert len(terms_of(" ".join(f"w{number}" for number in range(60)))) == WORDS
    [phrase] = terms_of('"' + "w " * 60)
    assert len(phrase.words) == WORDS


@pytest.mark.parametrize(
    ("text", "query", "parts"),
    [
        ("Hello world", "wor", "Hello [world]"),
        ("Hello world, worldly", "world ", "Hello [world], worldly"),
        ("Die Straße,\n\nnach  KÖLN!", "strasse koln", "Die [Straße], nach [KÖLN]!"),
        ("cafe\u0301s", "cafe", "[cafe\u0301s]"),
        ("one, two", '"one two"', "[one, two]"),
        ("nothing of it", "other", "nothing of it"),
        ("İstanbul ist weit", "istanbul", "[İstanbul] ist weit"),
    ],
)
def test_an_excerpt_marks_the_hits(text: str, query: str, parts: str) -> None:
    assert marked(excerpt(text, terms_of(query))) == parts


@pytest.mark.parametrize(
    ("text", "query", "parts"),
    [
        ("See **the needle** in [the hay](https://x.org)", "needle", "See the [needle] in the hay"),
        ("The **nee**dle\n```\na **needle**\n```", "needle", "The [needle] a **[needle]**"),
        ("See [the docs](https://needle.org)", "needle", "See [the docs](https://[needle].org)"),
    ],
)
def test_an_excerpt_is_without_markdown(text: str, query: str, parts: str) -> None:
    assert marked(excerpt(text, terms_of(query))) == parts


def test_an_excerpt_of_a_long_text_is_around_the_first_hit() -> None:
    parts = excerpt("before " * 300 + "the needle " + "after " * 300, terms_of("needle"))
    assert parts[0].startswith("…before ")
    assert parts[0].endswith("the ")
    assert parts[1] == "needle"
    assert parts[2].endswith("…")
    assert len("".join(parts)) < 200
    assert len("".join(excerpt("x" * 5_000, terms_of("xx")))) < 200


def test_the_longest_messages_are_marked_quickly() -> None:
    text = "größere Wörter überall " * 1_400
    begin = time.process_time()
    for _ in range(PAGE):
        excerpt(text, terms_of("nirgendwo wörter"))
    assert time.process_time() - begin < 5


async def test_everybody_finds_what_they_may_read_and_nothing_else(database_url: str) -> None:
    async with chat(database=database_url) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = (await ada.client.invoke("CreateRoom", "Secret", True))["id"]
        await ada.say("The secret lighthouse", room)
        said = await ada.say("The public lighthouse")
        assert await found(ada, "lighthouse") == ["The public [lighthouse]", "The secret [lighthouse]"]
        assert await found(bob, "lighthouse") == ["The public [lighthouse]"]
        assert await found(ada, "lighthouse", "general") == ["The public [lighthouse]"]
        assert await refusal(bob, "Search", "lighthouse", room) == "This room does not exist."
        await ada.client.invoke("AddMember", room, "Bob")
        assert len(await found(bob, "lighthouse")) == 2
        await ada.client.invoke("RemoveMember", room, bob.me["id"])
        assert len(await found(bob, "lighthouse")) == 1
        [hit] = (await bob.client.invoke("Search", "lighthouse"))["found"]
        assert (hit["messageId"], hit["roomId"], hit["seq"]) == (said["id"], "general", said["seq"])
        assert (hit["author"]["name"], hit["sentAt"]) == ("Ada", said["sentAt"])


async def test_an_answer_is_found_with_what_was_said(tmp_path: Path) -> None:
    async with chat(["A lighthouse", " in Köln"], data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        await ada.say("@ai Where?")
        await ada.ended()
        await under_test.chat.journal.flush()
        assert await found(ada, "koln") == ["A lighthouse in [Köln]"]


async def test_a_file_is_found_by_its_name_which_is_marked(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada, browser = await under_test.enter("Ada"), await under_test.guest("Ada")
        names = ("Größe-plan.pdf", "notes.txt", "plan B.txt")
        sent = await send(ada, [await uploaded(browser, name, b"x") for name in names], "The lighthouse")
        [hit] = (await ada.client.invoke("Search", "lighthouse pla"))["found"]
        assert hit["messageId"] == sent["id"]
        assert marked(hit["excerpt"]) == "The [lighthouse]"
        assert [marked(parts) for parts in hit["files"]] == ["Größe-[plan].pdf", "[plan] B.txt"]
        [hit] = (await ada.client.invoke("Search", "grosse"))["found"]
        assert (marked(hit["excerpt"]), [marked(parts) for parts in hit["files"]]) == (
            "The lighthouse",
            ["[Größe]-plan.pdf"],
        )
        [hit] = (await ada.client.invoke("Search", "lighthouse"))["found"]
        assert hit["files"] == []
        await ada.client.invoke("DeleteMessage", sent["id"])
        await under_test.chat.journal.flush()
        assert await found(ada, "grosse") == await found(ada, "lighthouse") == []


async def test_results_come_in_pages(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        for number in range(PAGE + 2):
            await ada.say(f"lighthouse {number}")
        first = await ada.client.invoke("Search", "lighthouse")
        assert (len(first["found"]), first["hasMore"]) == (PAGE, True)
        rest = await ada.client.invoke("Search", "lighthouse", None, PAGE)
        assert ([marked(each["excerpt"]) for each in rest["found"]], rest["hasMore"]) == (
            ["[lighthouse] 1", "[lighthouse] 0"],
            False,
        )
        assert await found(ada, "lighthouse", skip=-1) == await found(ada, "lighthouse", skip=10**9) == []
        assert await found(ada, "🌈") == []


async def test_queries_are_bounded_in_length_and_number(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        assert await refusal(ada, "Search", "x" * (QUERY_LENGTH + 1)) == "Search for at most 200 characters."
        for _ in range(SEARCHES._rates[0].burst - 1):
            await found(ada, "x")
        assert "too many calls" in await refusal(ada, "Search", "x")
