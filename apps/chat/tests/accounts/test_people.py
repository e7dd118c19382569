"""What administrators see and change."""

from apps.chat.tests.harness import chat
from apps.chat.tests.test_hubs import refusal


async def test_administrators_see_everybody_and_others_see_nobody() -> None:
    async with chat(guest_tokens=None) as under_test:
        root, ada = await under_test.member("Root", role="admin", tier="premium"), await under_test.member("Ada")
        guest = await under_test.enter("Guest")
        await guest.ask("Why?")
        await guest.ended()
        await under_test.chat.finish()
        answer = await root.http.get("/api/people")
        people = {each["name"]: each for each in answer.json()["people"]}
        assert answer.headers["cache-control"] == "no-store"
        assert {name: (each["role"], each["tier"]) for name, each in people.items()} == {
            "Root": ("admin", "premium"),
            "Ada": ("member", "free"),
            "Guest": ("guest", "guest"),
        }
        assert (people["Ada"]["usedToday"], people["Guest"]["usedToday"] > 0) == (0, True)
        assert people["Ada"]["createdAt"].endswith("+00:00")
        for browser in (ada, await under_test.guest("Guest"), under_test.browser()):
            for answer in (
                await browser.http.get("/api/people"),
                await browser.http.patch(f"/api/people/{people['Ada']['id']}", json={"role": "admin"}),
            ):
                assert answer.status_code in (401, 403)
        assert (await ada.http.get("/api/people")).json()["code"] == "not-allowed"


async def test_a_new_password_ends_that_users_sessions_and_connections() -> None:
    async with chat() as under_test:
        root, ada = await under_test.member("Root", role="admin"), await under_test.member("Ada")
        page = await under_test.enter("Ada")
        path = f"/api/people/{page.me['id']}"
        assert (await root.http.patch(path, json={"password": "short"})).json()["code"] == "weak-password"
        assert (await ada.post("token")).status_code == 200
        assert (await root.http.patch(path, json={"password": "a new password"})).status_code == 200
        await page.client.closed()
        assert (await ada.post("token")).status_code == 401
        assert (await ada.user("sign-in", name="Ada", password="a new password"))["name"] == "Ada"


async def test_the_last_administrator_cannot_be_demoted_and_another_one_can() -> None:
    async with chat() as under_test:
        root = await under_test.member("Root", role="admin")
        await under_test.member("Ada")
        mine, hers = [(await under_test.enter(name)).me["id"] for name in ("Root", "Ada")]
        refused = await root.http.patch(f"/api/people/{mine}", json={"role": "member"})
        assert (refused.status_code, refused.json()["code"]) == (409, "last-admin")
        assert (await root.http.patch(f"/api/people/{hers}", json={"role": "admin"})).json()["user"]["role"] == "admin"
        assert (await root.http.patch(f"/api/people/{mine}", json={"role": "member"})).status_code == 200
        assert (await root.http.get("/api/people")).status_code == 403


async def test_a_role_counts_at_once_on_open_connections() -> None:
    async with chat() as under_test:
        root = await under_test.member("Root", role="admin")
        await under_test.member("Ada")
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = await bob.client.invoke("CreateRoom", "Secret", True)
        await bob.client.invoke("AddMember", room["id"], "Ada")
        remove = ("RemoveMember", room["id"], bob.me["id"])
        assert await refusal(ada, *remove) == "Only the owner of a room can remove others from it."
        await root.http.patch(f"/api/people/{ada.me['id']}", json={"role": "admin"})
        await ada.news("AccountChanged", lambda me: me["role"] == "admin")
        assert (await ada.client.invoke(*remove))["members"][0]["name"] == "Ada"


async def test_what_makes_no_sense_is_refused() -> None:
    async with chat() as under_test:
        root = await under_test.member("Root", role="admin")
        guest = await under_test.enter("Guest")
        gone = await root.http.patch("/api/people/nobody", json={"tier": "free"})
        assert (gone.status_code, gone.json()["code"]) == (404, "no-such-person")
        for change, code in (
            ({"role": "admin"}, "guest"),
            ({"password": "x" * 20}, "guest"),
            ({"tier": "x"}, "bad-request"),
        ):
            answer = await root.http.patch(f"/api/people/{guest.me['id']}", json=change)
            assert answer.json()["code"] == code
        granted = await root.http.patch(f"/api/people/{guest.me['id']}", json={"tier": "premium"})
        assert granted.json()["user"]["tier"] == "premium"


async def test_a_disabled_account_is_shut_at_once_until_it_is_enabled() -> None:
    async with chat() as under_test:
        root, ada = await under_test.member("Root", role="admin"), await under_test.member("Ada")
        page, token = await under_test.enter("Ada"), await ada.token()
        path = f"/api/people/{page.me['id']}"
        shut = await root.http.patch(path, json={"isDisabled": True})
        assert shut.json()["user"]["isDisabled"] is True
        await page.client.closed()
        assert (await ada.post("token")).status_code == 401
        late = await under_test.connect(ada, token=token)  # a token lives longer than its session
        await late.closed()
        refused = await ada.post("sign-in", name="Ada", password="secret of Ada")
        assert (refused.status_code, refused.json()["code"]) == (403, "disabled")
        assert (await ada.post("sign-in", name="Ada", password="wrong")).json()["code"] == "wrong-password"
        found = await (await under_test.enter("Root")).client.invoke("FindPeople", "A")
        assert found == []
        assert (await root.http.patch(path, json={"isDisabled": False})).json()["user"]["isDisabled"] is False
        assert (await ada.user("sign-in", name="Ada", password="secret of Ada"))["name"] == "Ada"


async def test_the_last_administrator_who_can_sign_in_stays() -> None:
    async with chat() as under_test:
        root = await under_test.member("Root", role="admin")
        await under_test.member("Second", role="admin")
        mine, other = [(await under_test.enter(name)).me["id"] for name in ("Root", "Second")]
        own = await root.http.patch(f"/api/people/{mine}", json={"isDisabled": True})
        assert (own.status_code, own.json()["code"]) == (409, "own-account")
        own = await root.post(f"people/{mine}/remove", messages="keep")
        assert (own.status_code, own.json()["code"]) == (409, "own-account")
        assert (await root.http.patch(f"/api/people/{other}", json={"isDisabled": True})).status_code == 200
        demoted = await root.http.patch(f"/api/people/{mine}", json={"role": "member"})
        assert (demoted.status_code, demoted.json()["code"]) == (409, "last-admin")
        removed = await root.post("account/remove", password="secret of Root", messages="keep")
        assert (removed.status_code, removed.json()["code"]) == (409, "last-admin")
        assert (await root.post("token")).status_code == 200
        assert (await root.post(f"people/{other}/remove", messages="keep")).status_code == 204
        assert [each["name"] for each in (await root.http.get("/api/people")).json()["people"]] == ["Root"]


async def test_guests_cannot_be_disabled_and_can_be_removed() -> None:
    async with chat() as under_test:
        root, guest = await under_test.member("Root", role="admin"), await under_test.enter("Guest")
        path = f"people/{guest.me['id']}"
        refused = await root.http.patch(f"/api/{path}", json={"isDisabled": True})
        assert (refused.status_code, refused.json()["code"]) == (409, "guest")
        mine = await (await under_test.guest("Guest")).post("account/remove", password="", messages="keep")
        assert (mine.status_code, mine.json()["code"]) == (409, "guest")
        assert (await root.post(f"{path}/remove", messages="everything")).json()["code"] == "bad-request"
        assert (await root.post(f"{path}/remove", messages="keep")).status_code == 204
        await guest.client.closed()
        assert (await root.post(f"{path}/remove", messages="keep")).json()["code"] == "no-such-person"
        ada = await under_test.member("Ada")
        assert (await ada.post(f"{path}/remove", messages="keep")).json()["code"] == "not-allowed"
