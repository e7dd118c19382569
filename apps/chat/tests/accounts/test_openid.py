"""Signing in by an OpenID Connect provider: who gets in, as whom, and who does not."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import ValidationError

from apps.chat.tests.accounts.provider import Provider
from apps.chat.tests.harness import Browser, ChatUnderTest, chat
from hubline_chat.settings import ChatSettings


@pytest.fixture(scope="module")
def running() -> Iterator[Provider]:
    with Provider() as provider:
        yield provider


@pytest.fixture
def provider(running: Provider) -> Provider:
    running.claims, running.userinfo, running.wrong = {"sub": "1", "name": "Grace Hopper"}, {}, {}
    running.signs_with(running.key)
    return running


@pytest.fixture
async def under_test(provider: Provider) -> AsyncIterator[ChatUnderTest]:
    async with chat(**openid(provider)) as under_test:
        yield under_test


def openid(provider: Provider, **changes: Any) -> dict[str, Any]:
    return {f"openid_{name}": value for name, value in (provider.settings | changes).items()}


async def sent(browser: Browser, **query: str) -> dict[str, str]:
    """The query with which a browser is sent to the provider."""
    answer = await browser.http.get("/api/openid/begin", params=query)
    assert answer.status_code == 303, answer.text
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


async def back(browser: Browser, provider: Provider, query: dict[str, str], **changes: str) -> httpx.Response:
    told = {"state": query["state"], "code": provider.code(query)} | changes
    return await browser.http.get("/api/openid/callback", params=told)


async def enters(browser: Browser, provider: Provider, **query: str) -> str:
    """The address of the page to which somebody comes back."""
    answer = await back(browser, provider, await sent(browser, **query))
    assert answer.status_code == 303
    assert answer.headers["cache-control"] == "no-store"
    return answer.headers["location"]


async def me(browser: Browser, **headers: str) -> dict[str, Any] | None:
    user: dict[str, Any] | None = (await browser.http.get("/api/session", headers=headers)).json()["user"]
    return user


async def test_the_first_sign_in_makes_an_account_and_the_next_ones_find_it(
    under_test: ChatUnderTest, provider: Provider
) -> None:
    first, second = under_test.browser(), under_test.browser()
    assert (await first.http.get("/api/session")).json()["openId"] == "Example"
    assert await enters(first, provider, place="/room/off-topic") == "/#/room/off-topic"
    grace = await me(first)
    assert grace == {
        "id": grace and grace["id"],
        "name": "Grace Hopper",
        "role": "member",
        "tier": "free",
        "hasPassword": False,
    }
    provider.claims["name"] = "Another name"
    assert await enters(second, provider, place="//evil.example") == "/"
    assert await me(second) == grace
    assert (await second.post("sign-in", name="Grace Hopper", password="")).json()["code"] == "wrong-password"
    changed = await second.post("password", current="", new="a new password of mine")
    assert changed.json()["code"] == "no-password"


async def test_a_seat_gets_the_session_of_whoever_signs_in_at_it(under_test: ChatUnderTest, provider: Provider) -> None:
    browser = under_test.browser()
    assert await enters(browser, provider, seat="b2") == "/"
    assert await me(browser) is None
    assert (await me(browser, **{"x-hubline-seat": "b2"}) or {})["name"] == "Grace Hopper"
    assert (await browser.http.get("/api/openid/begin", params={"seat": "../x"})).status_code == 400


async def test_a_taken_name_gets_a_number_and_is_never_the_same_account(
    under_test: ChatUnderTest, provider: Provider
) -> None:
    await under_test.member("Grace Hopper")
    browser = under_test.browser()
    provider.claims |= {"email": "grace@example.com", "email_verified": True}
    await enters(browser, provider)
    assert (await me(browser) or {})["name"] == "Grace Hopper 2"


@pytest.mark.parametrize(
    ("claims", "userinfo", "name"),
    [
        ({"preferred_username": "grace"}, {}, "grace"),
        ({"name": " ", "nickname": "G"}, {}, "G"),
        ({"name": "\u0410dmin", "given_name": "Grace"}, {}, "Grace"),
        ({"name": "Assistant"}, {}, "Assistant 2"),
        ({"name": "x" * 60}, {}, "x" * 40),
        ({}, {"sub": "1", "name": "From userinfo"}, "From userinfo"),
        ({}, {"sub": "2", "name": "Somebody else"}, None),
    ],
)
async def test_the_name_is_the_first_one_that_can_be_used(
    under_test: ChatUnderTest, provider: Provider, claims: dict[str, Any], userinfo: dict[str, Any], name: str | None
) -> None:
    provider.claims, provider.userinfo = {"sub": "1"} | claims, userinfo
    browser = under_test.browser()
    await enters(browser, provider)
    got = str((await me(browser) or {})["name"])
    assert got == name if name is not None else got.startswith("Person ")


async def test_one_person_in_two_windows_at_once_gets_one_account(
    provider: Provider, new_url: Callable[[], str]
) -> None:
    async with chat(database=new_url(), **openid(provider)) as under_test:
        browsers = [under_test.browser() for _ in range(3)]
        await asyncio.gather(*(enters(each, provider) for each in browsers))
        found = [await me(each) for each in browsers]
        assert found[0] is not None
        assert found == [found[0]] * 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"},
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"azp": "another"},
        {"aud": ["chat", "another"]},
        {"exp": 1},
        {"sub": ""},
        {"sub": "x" * 256},
    ],
)
async def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    under_test: ChatUnderTest, provider: Provider, wrong: dict[str, Any]
) -> None:
    provider.wrong = wrong
    browser = under_test.browser()
    assert await enters(browser, provider) == "/?sign-in=invalid"
    assert await me(browser) is None


async def test_an_id_token_of_another_key_is_refused(under_test: ChatUnderTest, provider: Provider) -> None:
    provider.signs_with(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    assert await enters(under_test.browser(), provider) == "/?sign-in=invalid"


async def test_only_the_browser_that_began_comes_back_and_only_once(
    under_test: ChatUnderTest, provider: Provider
) -> None:
    victim, attacker = under_test.browser(), under_test.browser()
    query = await sent(attacker)
    stranger = await back(victim, provider, query)
    assert stranger.headers["location"] == "/?sign-in=expired"
    await sent(victim)
    mixed = await back(victim, provider, query)  # its state is the attacker's
    assert mixed.headers["location"] == "/?sign-in=expired"
    assert await me(victim) is None
    assert (await back(attacker, provider, query)).headers["location"] == "/"
    assert (await back(attacker, provider, query)).headers["location"] == "/?sign-in=expired"


async def test_what_the_provider_refuses_is_told_by_its_kind(under_test: ChatUnderTest, provider: Provider) -> None:
    browser = under_test.browser()
    query = await sent(browser, place="/room/general")
    cancelled = await back(browser, provider, query, code="", error="access_denied")
    assert cancelled.headers["location"] == "/?sign-in=cancelled#/room/general"
    wrong = await back(browser, provider, await sent(browser), code="made up")
    assert wrong.headers["location"] == "/?sign-in=refused"
    stolen = await sent(browser)
    other = {**stolen, "code_challenge": "of somebody else's verifier"}
    assert (await back(browser, provider, {**other, "state": stolen["state"]})).headers["location"] == (
        "/?sign-in=refused"
    )


async def test_disabled_accounts_stay_out_and_removed_ones_begin_anew(
    under_test: ChatUnderTest, provider: Provider
) -> None:
    root, browser = await under_test.member("Root", role="admin"), under_test.browser()
    await enters(browser, provider)
    grace = await me(browser) or {}
    await root.http.patch(f"/api/people/{grace['id']}", json={"isDisabled": True})
    assert await enters(browser, provider) == "/?sign-in=disabled"
    await root.http.patch(f"/api/people/{grace['id']}", json={"isDisabled": False})
    assert await enters(browser, provider) == "/"
    removed = await browser.post("account/remove", password="", messages="keep")  # the sign-in is fresh
    assert removed.status_code == 204
    assert await enters(browser, provider) == "/"
    assert (await me(browser) or {})["id"] != grace["id"]


async def test_new_people_can_be_kept_out(provider: Provider) -> None:
    async with chat(**openid(provider, sign_up=False)) as under_test:
        assert await enters(under_test.browser(), provider) == "/?sign-in=unknown"


async def test_a_provider_that_does_not_answer_is_told_in_the_page(provider: Provider) -> None:
    for issuer in ("http://127.0.0.1:1", f"{provider.issuer}/"):  # the second calls itself otherwise
        async with chat(**openid(provider, issuer=issuer)) as under_test:
            answer = await under_test.browser().http.get("/api/openid/begin")
            assert answer.headers["location"] == "/?sign-in=unavailable"


async def test_without_a_provider_there_is_no_such_sign_in() -> None:
    async with chat() as under_test:
        assert (await under_test.browser().http.get("/api/openid/begin")).json()["code"] == "no-provider"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"openid_issuer": "https://id.example"}, "belong together"),
        ({"openid_issuer": "http://id.example", "openid_client_id": "chat"}, "is an https address"),
        ({"openid_issuer": "id.example", "openid_client_id": "chat"}, "is an https address"),
    ],
)
def test_a_wrong_setting_is_refused_at_the_start(settings: dict[str, str], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        ChatSettings(**settings)
