"""A page brings a newer token for its open connection."""

import json
from typing import Any

from apps.chat.tests.harness import Browser, chat

END = "\x1e"


class Polling:
    """A hub connection by long polling, made by hand: the test needs the secret by which it is addressed."""

    def __init__(self, browser: Browser, token: str) -> None:
        self.http, self.headers = browser.http, {"authorization": f"Bearer {token}"}
        self.query: dict[str, str] = {}

    async def open(self) -> None:
        url = "/chatHub/negotiate?negotiateVersion=1"
        answer = (await self.http.post(url, headers=self.headers)).json()
        self.lifetime = answer["tokenLifetimeSeconds"]
        self.query = {"id": answer["connectionToken"]}
        await self.poll()
        await self.send({"protocol": "json", "version": 1})
        assert await self.poll() == [{}]

    async def send(self, message: dict[str, Any]) -> int:
        body = json.dumps(message) + END
        return (await self.http.post("/chatHub", params=self.query, headers=self.headers, content=body)).status_code

    async def poll(self) -> list[dict[str, Any]] | None:
        """What waits, or `None` when the connection has ended."""
        answer = await self.http.get("/chatHub", params=self.query, headers=self.headers)
        if answer.status_code in (204, 404):
            return None
        return [json.loads(each) for each in answer.text.split(END) if each]

    async def result(self, target: str, *arguments: Any) -> Any:
        assert await self.send({"type": 1, "invocationId": "1", "target": target, "arguments": arguments}) == 200
        while True:
            for message in await self.poll() or []:
                if message["type"] == 3:
                    return message["result"]

    async def refresh(self, token: str) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {token}"}
        answer = await self.http.post("/chatHub/refresh", params=self.query, headers=headers)
        if answer.status_code == 200:
            self.headers = headers
        return answer.status_code, answer.json()

    async def ended(self) -> bool:
        """Whether the connection has ended, once everything that waited was read."""
        while (messages := await self.poll()) is not None:
            assert any(message["type"] in (1, 7) for message in messages)
        return True


async def test_a_newer_token_counts_from_then_on_and_belongs_to_its_own_session() -> None:
    async with chat(token_seconds=60) as under_test:
        first, second = await under_test.member("Ada"), under_test.browser()
        page = Polling(first, await first.token())
        await page.open()
        assert 50 <= page.lifetime <= 60
        await page.result("Enter")
        await second.user("sign-in", name="Ada", password="secret of Ada")
        status, answer = await page.refresh(await second.token())
        assert (status, answer["tokenLifetimeSeconds"] >= 50) == (200, True)
        # The session that opened the connection may end now: it hangs on the other one.
        await first.post("sign-out")
        assert (await page.result("OpenRoom", "general", None))["room"]["id"] == "general"
        await second.post("sign-out")
        assert await page.ended()


async def test_a_token_of_somebody_else_or_of_an_ended_session_does_not_help() -> None:
    async with chat() as under_test:
        ada, eve, again = await under_test.member("Ada"), await under_test.member("Eve"), under_test.browser()
        page = Polling(ada, await ada.token())
        await page.open()
        await page.result("Enter")
        assert await page.refresh(await eve.token()) == (403, {"error": "permission_change_rejected"})
        assert (await page.result("Ping")).endswith("Z")
        await again.user("sign-in", name="Ada", password="secret of Ada")
        late = await again.token()
        await again.post("sign-out")
        await page.refresh(late)
        assert await page.ended()
