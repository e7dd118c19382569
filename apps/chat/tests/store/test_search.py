"""The index of the words of messages."""

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import text

from apps.chat.tests.store import first_edition
from hubline_chat.attached import File
from hubline_chat.contract import Answer, AnswerState, Message, Person
from hubline_chat.search import terms_of
from hubline_chat.store import Store
from hubline_chat.store.tables import MESSAGES

NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
ADA = Person("ada", "Ada")
AI = Person("assistant", "Assistant", "assistant")

SAID = (
    "The deployment of the café's server failed at 12:30, see https://example.com/hubline/docs",
    "Die Straße nach Köln ist gesperrt… größere Umleitung über Düsseldorf.",
    "STRASSE UND ÄPFEL",
    "We shall deploy tomorrow; the server is ready.",
    "naïve résumé: don't e-mail it_now, ask Ærø (v2.10)",
    "Привет, мир! Ελλάδα",
    '\'; DROP TABLE messages; -- "quoted" & | ! ( ) : * \\',
)


FINDS: tuple[tuple[str, list[int]], ...] = (
    ("server", [4, 1]),
    ("SERVER failed", [1]),
    ("deploy", [4, 1]),  # the last word is a beginning
    ("deploy ", [4]),
    ("deploy server", [4]),
    ('"the server"', [4]),
    ('"server the"', []),
    ('"the serv', [4]),  # as it is being typed
    ('"café\'s server" failed', [1]),
    ("cafe", [1]),
    ("café", [1]),
    ("strasse ", [3, 2]),
    ("Straße ", [3, 2]),
    ("straß", [3, 2]),
    ("koln", [2]),
    ("Köln", [2]),
    ("grosser", [2]),
    ("a\u0308pfel", [3]),
    ("umleitung uber dusseldorf", [2]),
    ("docs", [1]),
    ("hubline/docs", [1]),
    ("resume naive ", [5]),
    ("mail", [5]),
    ("it_now", [5]),
    ("v2", [5]),
    ("ærø", [5]),
    ("привет", [6]),
    ("ελλάδα", [6]),
    ("drop table", [7]),
    ("nothing", []),
    ("server nothing ", []),
)

ONLY_WORDS = (
    "'",
    '"',
    "\\",
    "'''",
    "a'b",
    "* OR x",
    "NEAR(a b)",
    "a:*",
    "!a & b",
    "(",
    "text:a",
    "^a",
    "-a",
    "a\0b",
    "\ud800x",
)


def said(seq: int, words: str, room: str = "general") -> Message:
    return Message(f"{room}-{seq}", room, seq, "person", ADA, words, NOON)


def answer(seq: int, state: AnswerState, words: str) -> Message:
    return replace(said(seq, words), kind="assistant", author=AI, answer=Answer(state, ADA, "q"))


def with_files(message: Message, *names: str) -> Message:
    return replace(message, files=[File(f"{message.id}-{index}", name, "x/y", 1) for index, name in enumerate(names)])


async def add(store: Store, *messages: Message) -> None:
    """Messages with their files."""
    for message in messages:
        for file in message.files:
            await store.files.add(file, "ada", message.room_id)
    await store.messages.add(messages)


async def found(store: Store, query: str, *rooms: str, skip: int = 0, count: int = 100) -> list[int]:
    terms = terms_of(query)
    return [each.seq for each in await store.search.find(terms, rooms or ("general",), skip=skip, count=count)]


async def test_words_and_phrases_are_found_in_german_and_english(store: Store) -> None:
    await store.messages.add([said(seq, words) for seq, words in enumerate(SAID, 1)])
    assert [(query, await found(store, query)) for query, _ in FINDS] == list(FINDS)


async def test_what_means_something_to_the_database_is_only_words(store: Store) -> None:
    await store.messages.add([said(1, "b a x near or text 0")])
    for query in ONLY_WORDS:
        if terms_of(query):
            assert await found(store, query) in ([], [1]), query


async def test_only_some_rooms_are_searched_the_newest_first_and_page_by_page(store: Store) -> None:
    await store.messages.add([said(seq, "a line") for seq in range(1, 6)] + [said(9, "a line", "off-topic")])
    assert await found(store, "line", "general", "off-topic", count=3) == [9, 5, 4]
    assert await found(store, "line", "general", "off-topic", skip=3, count=2) == [3, 2]
    assert await found(store, "line", "off-topic") == [9]
    assert await found(store, "line", "nowhere") == []


async def test_what_is_changed_or_deleted_later_is_found_as_it_is_then(store: Store) -> None:
    await store.messages.add([said(1, "first words"), said(2, "other words"), said(3, "words at last")])
    await store.messages.update([said(1, "now it says something")])
    assert await found(store, "first") == []
    assert await found(store, "something") == [1]
    async with store.database.writing() as connection:
        await connection.execute(text("UPDATE messages SET text = '' WHERE seq = 1"))
        await connection.execute(text("DELETE FROM messages WHERE seq = 2"))
    assert [await found(store, word) for word in ("something", "words")] == [[], [3]]
    await store.messages.clear("general", 4)
    assert await found(store, "words") == []
    await store.messages.add([said(4, "words again")])
    assert await found(store, "words") == [4]
    await store.rooms.delete("general")
    assert await found(store, "words") == []


async def test_an_answer_is_found_when_it_has_ended_and_where_it_began(store: Store) -> None:
    running = answer(1, AnswerState.RUNNING, "half of")
    await store.messages.add([running, said(2, "half of this")])
    await store.messages.update([replace(running, text="half of the answer")])
    assert await found(store, "half") == [2]
    ended = answer(1, AnswerState.COMPLETED, "half of the whole answer")
    await store.messages.update([ended])
    assert await found(store, "half of") == [2, 1]
    assert await found(store, "whole") == [1]
    await store.messages.update([answer(1, AnswerState.RUNNING, ended.text)])  # it goes on
    assert await found(store, "half of") == [2]
    await store.messages.interrupt("cut")
    assert await found(store, "whole") == [1]


async def test_the_names_of_files_are_found_with_the_words_of_their_message(store: Store) -> None:
    plan = with_files(said(2, "see the rocket"), "Größter_Plan-2026 (v2).pdf", 'it\'s {a} "b".txt')
    await add(store, with_files(said(1, ""), "größe.png"), plan, said(3, "plan"))
    for query, seqs in (
        ("plan", [3, 2]),
        ("grosster", [2]),
        ('"plan 2026"', [2]),
        ("pdf", [2]),
        ("png", [1]),
        ("GRÖ", [2, 1]),
        ("rocket plan", [2]),  # one in the text, the other in a name
        ('"the rocket"', [2]),
        ('"rocket größter"', []),  # no phrase reaches from the text into a name
        ("name", []),  # nor are the words found with which files are described
        ("size", []),
    ):
        assert await found(store, query) == seqs, query


async def test_files_are_found_as_long_as_their_message_has_them(store: Store) -> None:
    notes = with_files(said(1, "words"), "notes.txt", "budget.csv")
    await add(store, notes)
    kept = replace(notes, files=notes.files[1:])
    await store.messages.update([kept])
    assert [await found(store, word) for word in ("notes", "budget", "words")] == [[], [1], [1]]
    await store.messages.update([replace(kept, text="", files=[], is_deleted=True)])
    assert [await found(store, word) for word in ("budget", "words")] == [[], []]
    await add(store, with_files(said(2, "words"), "notes.txt"))
    assert await found(store, "notes") == [2]
    await store.messages.clear("general", 3)
    assert [await found(store, word) for word in ("notes", "words")] == [[], []]


async def test_files_of_an_earlier_edition_are_found(database_url: str) -> None:
    store = Store(database_url)
    older, running = with_files(said(1, "Straße"), "Äpfel und Birnen.pdf"), answer(3, AnswerState.RUNNING, "half")
    messages = [older, said(2, "äpfel"), running, with_files(said(4, ""), "späte Äpfel.txt")]
    await first_edition.make(store, messages, "0015", MESSAGES.columns.keys())
    await store.open()
    assert [await found(store, query) for query in ("apfel", "strasse pdf", "half")] == [[4, 2, 1], [1], []]
    await store.messages.update([replace(older, files=[])])
    await store.messages.interrupt("cut")
    assert [await found(store, query) for query in ("apfel", "strasse", "pdf", "half")] == [[4, 2], [1], [], [3]]
    await store.messages.clear("general", 5)
    assert [await found(store, query) for query in ("apfel", "strasse", "half")] == [[], [], []]
    await store.close()


async def test_a_database_of_the_first_edition_is_searched_too(database_url: str) -> None:
    store = Store(database_url)
    ended, running = answer(3, AnswerState.COMPLETED, "an answer"), answer(4, AnswerState.RUNNING, "half an answer")
    await first_edition.make(store, [said(1, "Straße"), said(2, "said long ago"), ended, running])
    await store.open()
    assert await found(store, "strasse") == [1]
    assert await found(store, "ago") == [2]
    assert await found(store, "answer") == [3]
    await store.messages.clear("general", 3)
    assert [await found(store, word) for word in ("strasse", "ago")] == [[], []]
    await store.messages.interrupt("cut")
    assert await found(store, "half") == [4]
    await store.close()
