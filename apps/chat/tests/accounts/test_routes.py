"""Signing up, in and out, through the real application."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from sqlalchemy import text

from apps.chat.tests.harness import QUICK, Browser, ChatUnderTest, chat

PASSWORD = "a good password"


async def refusal(browser: Browser, path: str, **body: Any) -> tuple[int, str, str]:
    answer = await browser.post(path, **body)
    told = answer.json()
    return answer.status_code, told["code"], told["error"]


async def test_who_signs_up_is_signed_in_and_stays_so() -> None:
    async with chat() as under_test:
        browser = under_test.browser()
        before = (await browser.http.get("/api/session")).json()
        assert before == {"user": None, "signUp": True, "guests": True, "openId": None}
        answer = await browser.post("sign-up", name=" Ada  Lovelace ", password=PASSWORD)
        assert answer.status_code == 201
        user = answer.json()["user"]
        assert user == {"id": user["id"], "name": "Ada Lovelace", "role": "member", "tier": "free", "hasPassword": True}
        assert (await browser.http.get("/api/session")).json()["user"] == user
        other = under_test.browser()
        assert await other.user("sign-in", name="ada lovelace", password=PASSWORD) == user


async def test_the_cookie_can_be_read_by_nobody_and_is_sent_to_nobody_else() -> None:
    async with chat(session_seconds=3600) as under_test:
        answer = await under_test.browser().post("guest", name="Ada")
        name, _, rest = answer.headers["set-cookie"].partition("=")
        assert name == "hubline_session"
        assert rest.split("; ")[1:] == ["HttpOnly", "Max-Age=3600", "Path=/", "SameSite=lax"]
        secure = under_test.browser(headers={"origin": "https://testserver"})
        secure.http.base_url = "https://testserver"
        assert "Secure" in (await secure.post("guest", name="Bob")).headers["set-cookie"]


async def test_a_seat_holds_a_person_of_its_own_in_the_same_browser() -> None:
    async with chat() as under_test:
        browser = under_test.browser()
        await browser.user("guest", name="Ada")
        seat = {"x-hubline-seat": "b2"}
        assert (await browser.http.get("/api/session", headers=seat)).json()["user"] is None
        await browser.http.post("/api/guest", json={"name": "Bob"}, headers=seat)
        assert (await browser.http.get("/api/session", headers=seat)).json()["user"]["name"] == "Bob"
        assert (await browser.http.get("/api/session")).json()["user"]["name"] == "Ada"
        for wrong in ("", "B", "a" * 13, "../x", "é"):
            answer = await browser.http.get("/api/session", headers=[(b"x-hubline-seat", wrong.encode())])
            assert answer.status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("sign-up", {"name": "Bob", "password": "1234567"}, (422, "weak-password", "it needs 8 characters")),
        ("sign-up", {"name": "Bob", "password": "x" * 201}, (422, "weak-password", "200 characters are allowed")),
        ("sign-up", {"name": "Bobby Tables", "password": "bobby tables"}, (422, "weak-password", "not be the name")),
        ("sign-up", {"name": "Bob", "password": "PASSWORD1"}, (422, "weak-password", "most common ones")),
        ("sign-up", {"name": " ", "password": PASSWORD}, (422, "bad-name", "Your name is empty.")),
        ("sign-up", {"name": "x" * 41, "password": PASSWORD}, (422, "bad-name", "41 characters; 40 are allowed")),
        ("guest", {"name": "Ada\u202e"}, (422, "bad-name", "characters that cannot be seen")),
        ("sign-up", {"name": "ASSISTANT", "password": PASSWORD}, (409, "name-taken", "The name ASSISTANT is taken")),
        ("guest", {"name": "system"}, (409, "name-taken", "The name system is taken")),
        ("guest", {"name": "ada"}, (409, "name-taken", "The name ada is taken. Choose another one.")),
        ("guest", {}, (422, "bad-request", "name: Field required.")),
        ("sign-in", {"name": "Ada", "password": 1}, (422, "bad-request", "password: Input should be a valid string.")),
        ("sign-in", {"name": "Ada", "password": "wrong"}, (401, "wrong-password", "Name or password is wrong.")),
        ("sign-in", {"name": "Nobody", "password": "wrong"}, (401, "wrong-password", "Name or password is wrong.")),
        ("sign-in", {"name": "Guest", "password": ""}, (401, "wrong-password", "Name or password is wrong.")),
        ("sign-in", {"name": "x" * 5000, "password": ""}, (413, "too-large", "4,096 bytes are allowed")),
        ("token", {}, (401, "signed-out", "Your session has ended. Sign in again.")),
        ("password", {"current": "x", "new": PASSWORD}, (401, "signed-out", "Your session has ended.")),
    ],
)
async def test_what_is_not_allowed_is_refused_with_a_sentence(
    path: str, body: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    async with chat() as under_test:
        await under_test.member("Ada")
        await under_test.guest("Guest")
        status, code, sentence = await refusal(under_test.browser(), path, **body)
        assert (status, code) == expected[:2]
        assert expected[2] in sentence


async def test_sign_up_and_guests_can_be_closed() -> None:
    async with chat(sign_up=False, guests=False) as under_test:
        browser = under_test.browser()
        assert (await browser.http.get("/api/session")).json() == {
            "user": None,
            "signUp": False,
            "guests": False,
            "openId": None,
        }
        assert (await refusal(browser, "sign-up", name="Ada", password=PASSWORD))[:2] == (403, "sign-up-closed")
        assert (await refusal(browser, "guest", name="Ada"))[:2] == (403, "guests-closed")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://testserver:port"},
        {"origin": "http://testserver:99999999"},
        {"origin": "http://testserver:81"},
        {"origin": "http://testserver.evil.example"},
        {"origin": None, "sec-fetch-site": "cross-site"},
        {"origin": None, "sec-fetch-site": "same-site"},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": None},
    ],
)
async def test_a_foreign_page_can_change_nothing(headers: dict[str, str | None]) -> None:
    async with chat() as under_test:
        browser = await under_test.guest("Ada")
        for name, value in headers.items():
            browser.http.headers.pop(name, None)
            if value is not None:
                browser.http.headers[name] = value
        for path in ("sign-in", "sign-up", "guest", "sign-out", "token", "password"):
            answer = await browser.http.post(f"/api/{path}", content=b"{}")
            assert (answer.status_code, answer.json()["code"]) == (403, "cross-site")
        assert (await browser.http.patch("/api/people/x", content=b"{}")).json()["code"] == "cross-site"


@pytest.mark.parametrize(
    "headers", [{"origin": None}, {"origin": None, "sec-fetch-site": "same-origin"}, {"origin": "http://other.example"}]
)
async def test_our_own_page_and_those_that_are_allowed_can(headers: dict[str, str | None]) -> None:
    async with chat(allowed_origins=("http://other.example",)) as under_test:
        browser = await under_test.guest("Ada")
        browser.http.headers.pop("origin")
        browser.http.headers.update({name: value for name, value in headers.items() if value is not None})
        assert (await browser.post("token")).status_code == 200


async def test_a_page_that_a_proxy_serves_by_https_is_our_own() -> None:
    async with chat() as under_test:
        browser = under_test.browser(headers={"origin": "https://testserver"})
        assert (await browser.post("guest", name="Ada")).status_code == 201


async def test_a_token_says_who_and_for_how_long() -> None:
    async with chat(token_seconds=60) as under_test:
        browser = await under_test.member("Ada", tier="premium")
        answer = (await browser.post("token")).json()
        claims = jwt.decode(answer["token"], options={"verify_signature": False})
        user = (await browser.http.get("/api/session")).json()["user"]
        assert (answer["expiresIn"] in (59, 60), claims["aud"]) == (True, "hubline-chat")
        assert (claims["sub"], claims["name"], claims["role"], claims["tier"]) == (
            user["id"],
            "Ada",
            "member",
            "premium",
        )
        assert claims["exp"] - claims["iat"] == 60
        assert claims["sid"] not in str(browser.http.cookies)


async def test_a_token_ends_with_its_session() -> None:
    async with chat(session_seconds=60, token_seconds=300) as under_test:
        answer = (await (await under_test.guest("Ada")).post("token")).json()
        assert 50 <= answer["expiresIn"] <= 60


async def age(under_test: ChatUnderTest, by: timedelta) -> None:
    """Make every session so much older."""
    async with under_test.store.database.writing() as connection:
        moment = datetime.now(UTC).replace(tzinfo=None) - by + timedelta(seconds=3600)
        await connection.execute(text("UPDATE sessions SET expires_at = :at"), {"at": moment.isoformat(" ")})


async def test_a_session_that_is_used_lasts_and_one_that_is_not_ends() -> None:
    async with chat(session_seconds=3600) as under_test:
        browser = await under_test.guest("Ada")
        await age(under_test, timedelta(seconds=3000))
        assert (await browser.post("token")).status_code == 200
        await age(under_test, timedelta(seconds=0))
        await age(under_test, timedelta(seconds=3601))
        assert (await refusal(browser, "token"))[:2] == (401, "signed-out")
        assert (await browser.http.get("/api/session")).json()["user"] is None


async def test_a_session_that_is_used_is_prolonged() -> None:
    async with chat(session_seconds=3600) as under_test:
        browser = await under_test.guest("Ada")
        await age(under_test, timedelta(seconds=3000))
        await browser.post("token")
        async with under_test.store.database.reading() as connection:
            [expires] = (await connection.execute(text("SELECT expires_at FROM sessions"))).scalars()
        left = datetime.fromisoformat(expires).replace(tzinfo=UTC) - datetime.now(UTC)
        assert left > timedelta(seconds=3500)


async def test_signing_out_ends_the_session_and_its_connections_and_no_others() -> None:
    async with chat() as under_test:
        first, second = await under_test.member("Ada"), under_test.browser()
        await second.user("sign-in", name="Ada", password="secret of Ada")
        page, other = await under_test.connect(first), await under_test.connect(second)
        await page.invoke("Enter")
        await other.invoke("Enter")
        answer = await first.post("sign-out")
        assert (answer.status_code, answer.content) == (204, b"")
        assert "Max-Age=0" in answer.headers["set-cookie"]
        await page.closed()
        assert (await refusal(first, "token"))[:2] == (401, "signed-out")
        assert (await other.invoke("Ping")).endswith("Z")
        assert (await second.post("token")).status_code == 200
        assert (await first.post("sign-out")).status_code == 204  # once more does no harm


async def test_a_connection_that_has_not_entered_is_closed_too_and_an_old_token_opens_none() -> None:
    async with chat() as under_test:
        browser = await under_test.member("Ada")
        page, token = await under_test.connect(browser), await browser.token()
        await browser.post("sign-out")
        await page.closed()
        late = await under_test.connect(under_test.browser(), token=token)
        await late.closed()


async def test_signing_in_again_in_the_same_window_ends_the_session_before() -> None:
    async with chat() as under_test:
        browser = await under_test.guest("Ada")
        page = await under_test.connect(browser)
        await browser.user("guest", name="Bob")
        await page.closed()
        assert await under_test.store.users.named("Ada") is None


async def test_the_name_of_a_guest_is_free_after_signing_out_and_that_of_a_member_is_not() -> None:
    async with chat() as under_test:
        await (await under_test.guest("Guest")).post("sign-out")
        await (await under_test.member("Ada")).post("sign-out")
        other = under_test.browser()
        assert (await other.user("guest", name="guest"))["name"] == "guest"
        assert (await refusal(other, "guest", name="Ada"))[:2] == (409, "name-taken")


async def test_a_new_password_ends_every_other_session() -> None:
    async with chat() as under_test:
        own, other = await under_test.member("Ada"), under_test.browser()
        await other.user("sign-in", name="Ada", password="secret of Ada")
        page, lost = await under_test.connect(own), await under_test.connect(other)
        assert await refusal(own, "password", current="wrong", new=PASSWORD) == (
            401,
            "wrong-password",
            "The current password is wrong.",
        )
        assert (await refusal(own, "password", current="secret of Ada", new="short"))[:2] == (422, "weak-password")
        assert (await own.post("password", current="secret of Ada", new=PASSWORD)).status_code == 204
        await lost.closed()
        assert (await page.invoke("Ping")).endswith("Z")
        assert (await refusal(other, "token"))[:2] == (401, "signed-out")
        assert (await refusal(other, "sign-in", name="Ada", password="secret of Ada"))[:2] == (401, "wrong-password")
        assert (await other.user("sign-in", name="Ada", password=PASSWORD))["name"] == "Ada"


async def test_guessing_is_limited_by_name_from_wherever_and_by_address_for_whatever_name() -> None:
    async with chat() as under_test:
        await under_test.member("Ada")
        for number in range(10):
            browser = under_test.browser(address=f"10.0.0.{number}")
            assert (await refusal(browser, "sign-in", name="ADA", password="guess"))[0] == 401
        answer = await under_test.browser(address="10.0.0.99").post("sign-in", name="Ada", password="secret of Ada")
        told = answer.json()
        assert (answer.status_code, told["code"]) == (429, "too-many")
        assert answer.headers["retry-after"] == str(told["retryAfter"])
        assert 100 < told["retryAfter"] <= 180
        statuses = []
        for number in range(31):
            browser = under_test.browser(address="10.0.0.100")
            statuses.append((await browser.post("sign-in", name=f"Nobody {number}", password="guess")).status_code)
        assert statuses == [401] * 30 + [429]


async def test_a_good_password_ends_the_counting_of_bad_ones() -> None:
    async with chat() as under_test:
        await under_test.member("Ada")
        for number in range(3):
            browser = under_test.browser(address=f"10.0.0.{number}")
            for _ in range(9):
                assert (await refusal(browser, "sign-in", name="Ada", password="guess"))[0] == 401
            assert (await browser.user("sign-in", name="Ada", password="secret of Ada"))["name"] == "Ada"


async def test_behind_a_trusted_proxy_addresses_are_those_it_tells_and_others_are_not_believed() -> None:
    async with chat(trusted_proxies=("10.0.0.0/8",)) as under_test:
        for peer, expected in (("10.0.0.1", [401] * 30 + [429] + [401] * 9), ("192.0.2.1", [401] * 30 + [429] * 10)):
            statuses = []
            for number in range(40):
                # The thirty-first comes from the address of the first thirty, the rest from elsewhere.
                told = "198.51.100.1" if number < 31 else f"198.51.100.{number}"
                browser = under_test.browser(address=peer, headers={"x-forwarded-for": told})
                answer = await browser.post("sign-in", name=f"Nobody {peer} {number}", password="guess")
                statuses.append(answer.status_code)
            assert statuses == expected


async def test_a_hash_with_old_parameters_is_renewed_when_its_password_comes() -> None:
    async with chat() as under_test:
        old = type(QUICK)(time_cost=2, memory_cost=16, parallelism=1).hash(PASSWORD)
        await under_test.store.users.add("Ada", "member", "free", old)
        await under_test.browser().user("sign-in", name="Ada", password=PASSWORD)
        known = await under_test.store.users.credentials("Ada")
        assert known is not None
        assert not QUICK.check_needs_rehash(known[1])
        assert (await under_test.browser().user("sign-in", name="Ada", password=PASSWORD))["name"] == "Ada"


async def test_a_database_that_fails_is_told_and_the_server_stays_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async with chat() as under_test:
        monkeypatch.setattr("sqlalchemy.pool.base.Pool.connect", broken)
        answer = await under_test.browser().post("guest", name="Ada")
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        monkeypatch.undo()
        assert (await under_test.browser().post("guest", name="Ada")).status_code == 201


def broken(*_: object) -> None:
    raise OSError("the disk has gone")


async def test_a_hub_connection_without_a_token_or_with_a_strangers_is_refused() -> None:
    async with chat() as under_test:
        forged = jwt.encode({"sub": "x", "sid": "x", "aud": "hubline-chat", "exp": 9e9}, "k" * 32, algorithm="HS256")
        for headers in ({}, {"authorization": f"Bearer {forged}"}):
            answer = await under_test.browser(headers=headers).http.post("/chatHub/negotiate?negotiateVersion=1")
            assert answer.status_code == 401
