"""Values that no page sends: they name nothing, and neither the database nor the log hears of them."""

import logging

import pytest

from apps.chat.tests.harness import chat
from apps.chat.tests.test_hubs import refusal

NUMBERS = (2**31, 2**63, 2**64 - 1, -(2**31) - 1, -(2**63))
GONE = "This message does not exist any more."


async def test_numbers_that_no_message_has_find_nothing(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with chat(database=database_url) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Hello?")
        answer = await ada.answer()
        await ada.ended()
        for number in NUMBERS:
            later = await ada.client.invoke("LoadLater", "general", number)
            assert [each["seq"] for each in later["messages"]] == ([] if number > 0 else [1, 2])
            earlier = await ada.client.invoke("LoadEarlier", "general", number)
            assert [each["seq"] for each in earlier["messages"]] == ([1, 2] if number > 0 else [])
            told = await refusal(ada, "AnswerVersion", answer["id"], number)
            assert told == "This version does not exist any more."
    assert caplog.messages == []


async def test_ids_with_a_character_that_no_database_stores_name_nothing(
    database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with chat(database=database_url) as under_test:
        ada = await under_test.enter("Ada")
        for odd in ("\0", "a\0b"):
            for call in (("RetryAnswer", odd), ("EditMessage", odd, "text"), ("LoadAround", "general", odd)):
                assert await refusal(ada, *call) == GONE
            assert await refusal(ada, "CreatePair", odd) == "This person is not here any more."
            assert "does not exist any more" in await refusal(ada, "SendMessage", "general", "1", "text", [odd])
            assert "does not exist any more" in await refusal(ada, "SendMessage", "general", "1", "text", [], odd)
        browser = await under_test.guest("Ada")
        assert (await browser.http.get("/api/files/a%00b/name")).status_code == 404
        assert (await browser.http.delete("/api/files/a%00b")).status_code == 204
    assert caplog.messages == []


@pytest.mark.parametrize("heard", ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00"])
async def test_a_page_that_heard_of_a_room_in_the_first_year_gets_what_has_changed(heard: str) -> None:
    async with chat() as under_test:
        ada = await under_test.enter("Ada")
        said = await ada.say("hello")
        opened = await ada.client.invoke("OpenRoom", "general", 1, heard)
        assert [each["id"] for each in opened["changed"]] == [said["id"]]
