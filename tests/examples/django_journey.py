"""What is tested of `examples/django_app.py`, in a process of its own: Django is configured once in a process."""

import asyncio
import importlib
from typing import Any

import httpx
import pytest
from django.conf import settings
from django.core.management import call_command

from hubline.testing import RefusedError, connect, running


def cookies(*names: str) -> list[dict[str, str]]:
    """The headers of users who have signed in."""
    from django.contrib.auth.models import User
    from django.test import Client

    settings.MIGRATION_MODULES = dict.fromkeys(("auth", "contenttypes", "sessions"))  # the tables as they are now
    call_command("migrate", run_syncdb=True, verbosity=0)
    found = []
    for name in names:
        browser = Client()
        browser.force_login(User.objects.create_user(name))
        found.append({"cookie": f"sessionid={browser.cookies['sessionid'].value}"})
    return found


async def journey(app: Any, ada_cookie: dict[str, str], bob_cookie: dict[str, str]) -> None:
    async with running(app) as served:
        for headers in ({}, {"cookie": "sessionid=unknown"}):
            with pytest.raises(RefusedError, match="401"):
                async with connect(served, "/live/desk", headers=headers):
                    pass
        async with (
            connect(served, "/live/desk", headers=ada_cookie) as ada,
            connect(served, "/live/desk", headers=bob_cookie) as bob,
            httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://testserver") as http,
        ):
            assert await ada.invoke("Colleagues") == ["bob"]
            rung = await http.get("/ring/bob")
            assert rung.text == "rung", rung.text
            assert await bob.expect("Ring") == ["somebody is at the door"]
            await ada.expect_nothing()


if __name__ == "__main__":
    app = importlib.import_module("django_app").app
    asyncio.run(journey(app, *cookies("ada", "bob")))
    print("done")
