"""The administrator who is made at the first start, and the way back in after a lost password."""

import secrets
from dataclasses import dataclass

from hubline import ConfigurationError
from hubline_chat.accounts.passwords import Passwords
from hubline_chat.limits import clean_name
from hubline_chat.settings import ChatSettings
from hubline_chat.store import Store
from hubline_chat.store.users import NameTaken


@dataclass(frozen=True, slots=True)
class NewPassword:
    """A new password. It is shown once, and not stored."""

    name: str
    password: str


async def prepare(settings: ChatSettings) -> NewPassword | None:
    """Migrate the database to this version, and make an administrator if there is none.

    Raises:
        ConfigurationError: the database cannot be used, or another user has the administrator's name.
    """
    store, passwords = Store(settings.database_url), Passwords()
    try:
        await store.open()
        if await store.users.admin() is not None:
            return None
        made = NewPassword(clean_name(settings.admin_name, whose="HUBLINE_CHAT_ADMIN_NAME"), _password())
        try:
            await store.users.add(made.name, "admin", "premium", await passwords.hash(made.password))
        except NameTaken:
            if await store.users.admin() is not None:  # another process was quicker
                return None
            problem = f"HUBLINE_CHAT_ADMIN_NAME is {made.name}, and a user with this name is not an administrator"
            raise ConfigurationError([problem]) from None
        return made
    finally:
        passwords.close()
        await store.close()


async def check_free(settings: ChatSettings) -> None:
    """Make sure that no other process serves the database.

    Raises:
        ConfigurationError: another process serves it.
    """
    store = Store(settings.database_url)
    try:
        async with store.database.claimed():
            pass
    finally:
        await store.close()


async def reset(settings: ChatSettings) -> NewPassword:
    """A new password for the administrator, whose sessions end: open pages within the life of a token.

    Raises:
        ConfigurationError: the database cannot be used.
    """
    made = await prepare(settings)
    if made is not None:
        return made
    store, passwords = Store(settings.database_url), Passwords()
    try:
        admin = await store.users.admin()
        assert admin is not None
        made = NewPassword(admin.name, _password())
        await store.users.set_password(admin.id, await passwords.hash(made.password))
        await store.sessions.end_of(admin.id)
        return made
    finally:
        passwords.close()
        await store.close()


def _password() -> str:
    return secrets.token_urlsafe(12)
