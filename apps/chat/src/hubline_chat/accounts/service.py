"""What can be done with accounts, whichever route asks."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from hubline import HubError
from hubline_chat.accounts.attempts import Attempts
from hubline_chat.accounts.errors import AccountError, too_many
from hubline_chat.accounts.passwords import Passwords, check_strength
from hubline_chat.contract import Role, TierName
from hubline_chat.limits import clean_name
from hubline_chat.settings import ChatSettings
from hubline_chat.store import Session, Store, User
from hubline_chat.store.users import Full, LastAdmin, NameTaken, folded

RESERVED = frozenset({"system", "ai", "assistant"})
"""Names that people would take for somebody else's."""
WRONG = "Name or password is wrong."


class Listener(Protocol):
    """Hears what happens to accounts, and acts on open connections before the request is answered."""

    async def sessions_ended(self, session_ids: Collection[str]) -> None: ...

    async def account_changed(self, user: User) -> None:
        """The role or tier is another one now."""

    async def account_deleted(self, user: User) -> None: ...


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session: its user, and the secret for the cookie."""

    user: User
    secret: str


class Accounts:
    """Signing up, in and out; passwords, roles and tiers.

    Every method raises `AccountError` with what to tell the person, and `StoreError` when the database cannot.
    """

    def __init__(self, store: Store, settings: ChatSettings, passwords: Passwords, listener: Listener) -> None:
        self._store, self._settings, self._passwords, self._listener = store, settings, passwords, listener
        self._reserved = {*RESERVED, folded(settings.assistant_name)}
        self._by_name, self._by_address = Attempts(10, 20), Attempts(30, 120)
        self._sign_ups, self._guests = Attempts(20, 40), Attempts(60, 240)

    async def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """A session for who knows the password. An unknown name takes as long, and is answered in the same way."""
        key = folded(name)
        self._by_address.take(address)
        self._by_name.take(key)
        known = await self._store.users.credentials(name)
        if not await self._passwords.verify(known[1] if known else None, password) or known is None:
            raise AccountError(401, "wrong-password", WRONG)
        user, kept = known
        self._by_name.forget(key)
        if self._passwords.outdated(kept):
            await self._store.users.set_password(user.id, await self._passwords.hash(password))
        return await self._begin(user)

    async def sign_up(self, name: str, password: str, address: str) -> SignedIn:
        """A new account, signed in."""
        if not self._settings.sign_up:
            raise AccountError(403, "sign-up-closed", "Only an administrator can make accounts here.")
        name = self._usable(name)
        check_strength(password, name)
        self._sign_ups.take(address)
        return await self._begin(await self._add(name, "member", "free", await self._passwords.hash(password)))

    async def guest(self, name: str, address: str) -> SignedIn:
        """A guest: somebody without a password, until the session ends."""
        if not self._settings.guests_allowed:
            raise AccountError(403, "guests-closed", "Guests are not admitted here. Sign in.")
        name = self._usable(name)
        self._guests.take(address)
        return await self._begin(await self._add(name, "guest", "guest", None))

    async def session(self, secret: str | None) -> Session | None:
        """The session that a cookie opens; when it was used again, it lasts longer."""
        if not secret:
            return None
        now = datetime.now(UTC)
        session = await self._store.sessions.find(secret, now)
        whole = timedelta(seconds=self._settings.session_seconds)
        if session is None or session.expires_at - now > whole - min(whole / 10, timedelta(days=1)):
            return session
        await self._store.sessions.extend(session.id, now + whole)
        return Session(session.id, session.user, now + whole)

    async def sign_out(self, session: Session) -> None:
        """End a session with its connections. A guest is gone with the last one."""
        await self._store.sessions.end(session.id)
        await self._listener.sessions_ended([session.id])
        if session.user.role == "guest" and await self._store.users.is_idle(session.user.id):
            await self.forget(session.user)

    async def change_password(self, session: Session, current: str, new: str) -> None:
        """A new password, for who knows the old one. Every other session of the user ends."""
        user = session.user
        self._by_name.take(folded(user.name))
        known = await self._store.users.credentials(user.name)
        if not await self._passwords.verify(known[1] if known else None, current):
            raise AccountError(401, "wrong-password", "The current password is wrong.")
        self._by_name.forget(folded(user.name))
        await self._set_password(user, new, but=session.id)

    async def change(
        self, user_id: str, *, role: Role | None = None, tier: TierName | None = None, password: str | None = None
    ) -> User:
        """What administrators change of somebody, at once also for open connections."""
        before = await self._store.users.get(user_id)
        if before is None:
            raise AccountError(404, "no-such-person", "There is no such person any more.")
        if before.role == "guest" and (role is not None or password is not None):
            raise AccountError(409, "guest", "A guest has no account: only the tier can be changed.")
        if password is not None:
            check_strength(password, before.name)
        try:
            user = await self._store.users.change(user_id, role=role, tier=tier)
        except LastAdmin:
            problem = "There must be an administrator: make somebody else one first."
            raise AccountError(409, "last-admin", problem) from None
        if user is not None and user != before:
            await self._listener.account_changed(user)
        if password is not None:
            await self._set_password(before, password)
        return user or before

    async def forget(self, user: User) -> None:
        """Delete an account with all that belongs to it alone; what was said stays."""
        await self._listener.account_deleted(user)
        await self._store.users.delete(user.id)

    async def _set_password(self, user: User, password: str, *, but: str | None = None) -> None:
        check_strength(password, user.name)
        await self._store.users.set_password(user.id, await self._passwords.hash(password))
        await self._listener.sessions_ended(await self._store.sessions.end_of(user.id, but=but))

    async def _add(self, name: str, role: Role, tier: TierName, password: str | None) -> User:
        try:
            return await self._store.users.add(name, role, tier, password)
        except NameTaken:
            raise AccountError(409, "name-taken", f"The name {name} is taken. Choose another one.") from None
        except Full:
            raise too_many(3600) from None

    async def _begin(self, user: User) -> SignedIn:
        now = datetime.now(UTC)
        expires_at = now + timedelta(seconds=self._settings.session_seconds)
        secret, ended = await self._store.sessions.begin(user.id, now, expires_at)
        await self._listener.sessions_ended(ended)
        return SignedIn(user, secret)

    def _usable(self, name: str) -> str:
        try:
            name = clean_name(name, whose="Your name")
        except HubError as error:
            raise AccountError(422, "bad-name", str(error)) from None
        if folded(name) in self._reserved:
            raise AccountError(409, "name-taken", f"The name {name} is taken. Choose another one.")
        return name
