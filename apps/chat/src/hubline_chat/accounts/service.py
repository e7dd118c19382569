"""The operations on accounts, for all routes."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from typing_extensions import Unpack

from hubline import HubError
from hubline_chat.accounts.attempts import Attempts
from hubline_chat.accounts.errors import AccountError, disabled, too_many
from hubline_chat.accounts.openid import Claimed
from hubline_chat.accounts.passwords import Passwords, check_strength
from hubline_chat.contract import Role, TierName
from hubline_chat.limits import NAME_LENGTH, clean_name
from hubline_chat.settings import ChatSettings
from hubline_chat.store import Session, Store, User
from hubline_chat.store.sessions import Disabled
from hubline_chat.store.users import Full, LastAdmin, NameTaken, UserChange, folded

RESERVED = frozenset({"system", "ai", "assistant"})
"""Names that could be mistaken for those of the system."""
WRONG = "Name or password is wrong."
FRESH = timedelta(minutes=10)
"""How long a sign-in by a provider counts where otherwise the password would be asked."""
NUMBERED = 20
"""How often a name of a provider is tried with a number behind it."""
LAST_ADMIN = "There must be an administrator: make another person one first."


class Listener(Protocol):
    """Receives changes of accounts, and applies them to open connections before the request is answered."""

    async def sessions_ended(self, session_ids: Collection[str]) -> None: ...

    async def account_changed(self, user: User) -> None:
        """The role or tier has changed."""

    async def account_deleted(self, user: User) -> None:
        """A guest is gone. What was said stays."""

    async def account_removed(self, user: User, *, erase: bool) -> None:
        """An account is removed: what was said stays without its name, or is deleted (`erase`)."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session: its user, and the secret for the cookie."""

    user: User
    secret: str


class Accounts:
    """Signing up, in and out; passwords, roles and tiers.

    Every method raises `AccountError` with a text for the person, and `StoreError` when the database fails.
    """

    def __init__(self, store: Store, settings: ChatSettings, passwords: Passwords, listener: Listener) -> None:
        self._store, self._settings, self._passwords, self._listener = store, settings, passwords, listener
        self._reserved = {*RESERVED, folded(settings.assistant_name)}
        self._by_name, self._by_address = Attempts(10, 20), Attempts(30, 120)
        self._sign_ups, self._guests = Attempts(20, 40), Attempts(60, 240)

    async def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """A session for a name and a password. An unknown name takes as long, and gets the same answer."""
        key = folded(name)
        self._by_address.take(address)
        self._by_name.take(key)
        known = await self._store.users.credentials(name)
        if not await self._passwords.verify(known[1] if known else None, password) or known is None:
            raise AccountError(401, "wrong-password", WRONG)
        user, kept = known
        self._by_name.forget(key)
        if user.is_disabled:
            raise disabled()
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
        """A guest: a user without a password, until the session ends."""
        if not self._settings.guests_allowed:
            raise AccountError(403, "guests-closed", "Guests are not admitted here. Sign in.")
        name = self._usable(name)
        self._guests.take(address)
        return await self._begin(await self._add(name, "guest", "guest", None))

    def admit_openid(self, address: str) -> None:
        """Count a sign-in by the provider that begins."""
        self._by_address.take(address)

    async def sign_in_by(self, claimed: Claimed) -> SignedIn:
        """A session for whom the provider has signed in; the first time with a new account.

        It is linked by issuer and subject alone: accounts of the same name or e-mail address belong to others.
        """
        user = await self._store.identities.find(claimed.issuer, claimed.subject)
        if user is None:
            user = await self._add_claimed(claimed)
        if user.is_disabled:
            raise disabled()
        return await self._begin(user)

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
        return replace(session, expires_at=now + whole)

    async def sign_out(self, session: Session) -> None:
        """End a session with its connections. A guest is gone with the last one."""
        await self._store.sessions.end(session.id)
        await self._listener.sessions_ended([session.id])
        if session.user.role == "guest" and await self._store.users.is_idle(session.user.id):
            await self.forget(session.user)

    async def change_password(self, session: Session, current: str, new: str) -> None:
        """A new password, if the old one is right. Every other session of the user ends."""
        if not session.user.has_password:
            raise AccountError(409, "no-password", "Your account has no password: your provider signs you in.")
        await self._check_password(session.user, current, "The current password is wrong.")
        await self._set_password(session.user, new, but=session.id)

    async def change(
        self,
        user_id: str,
        *,
        role: Role | None = None,
        tier: TierName | None = None,
        password: str | None = None,
        is_disabled: bool | None = None,
    ) -> User:
        """Change an account, as an administrator; it also applies to open connections at once."""
        before = await self._get(user_id)
        if before.role == "guest" and (role is not None or password is not None or is_disabled is not None):
            raise AccountError(409, "guest", "A guest has no account: only the tier can be changed.")
        if password is not None:
            check_strength(password, before.name)
        user = await self._change(user_id, role=role, tier=tier, is_disabled=is_disabled)
        if user is not None and user.is_disabled:
            await self._listener.sessions_ended(await self._store.sessions.end_of(user_id))
        if user is not None and user != before:
            await self._listener.account_changed(user)
        if password is not None:
            await self._set_password(before, password)
        return user or before

    async def remove_own(self, session: Session, password: str, *, erase: bool) -> None:
        """Remove one's own account, if the password is right. `erase`: with the messages.

        Without a password, the sign-in by the provider must be fresh.
        """
        user = session.user
        if user.role == "guest":
            raise AccountError(409, "guest", "A guest has no account: signing out is enough.")
        if user.has_password:
            await self._check_password(user, password, "The password is wrong.")
        elif datetime.now(UTC) - session.begun_at > FRESH:
            raise AccountError(401, "not-fresh", "Sign out and in again first, to show that it is you.")
        await self._remove(user, erase=erase)

    async def remove(self, user_id: str, *, erase: bool) -> None:
        """Remove an account or a guest, as an administrator. `erase`: with the messages."""
        await self._remove(await self._get(user_id), erase=erase)

    async def forget(self, user: User) -> None:
        """Delete an account with all its own data; its messages stay."""
        await self._listener.account_deleted(user)
        await self._store.users.delete(user.id)

    async def _remove(self, user: User, *, erase: bool) -> None:
        """The account is shut first, so that nothing is added meanwhile, and goes last, so that it can be repeated."""
        await self._change(user.id, is_disabled=True)
        await self._listener.sessions_ended(await self._store.sessions.end_of(user.id))
        await self._listener.account_removed(user, erase=erase)
        await self._store.users.delete(user.id)

    async def _change(self, user_id: str, **change: Unpack[UserChange]) -> User | None:
        try:
            return await self._store.users.change(user_id, **change)
        except LastAdmin:
            raise AccountError(409, "last-admin", LAST_ADMIN) from None

    async def _get(self, user_id: str) -> User:
        user = await self._store.users.get(user_id)
        if user is None:
            raise AccountError(404, "no-such-person", "This person does not exist any more.")
        return user

    async def _check_password(self, user: User, password: str, refusal: str) -> None:
        self._by_name.take(folded(user.name))
        known = await self._store.users.credentials(user.name)
        if not await self._passwords.verify(known[1] if known else None, password):
            raise AccountError(401, "wrong-password", refusal)
        self._by_name.forget(folded(user.name))

    async def _set_password(self, user: User, password: str, *, but: str | None = None) -> None:
        check_strength(password, user.name)
        await self._store.users.set_password(user.id, await self._passwords.hash(password))
        await self._listener.sessions_ended(await self._store.sessions.end_of(user.id, but=but))

    async def _add_claimed(self, claimed: Claimed) -> User:
        """A new account under the first name of the claims that can be used, or one with a number behind it."""
        if not self._settings.openid_sign_up:
            raise AccountError(403, "unknown", "You have no account here. Ask an administrator.")
        bases = [each[:NAME_LENGTH].strip() for each in claimed.names]
        suffixes = ["", *(f" {number}" for number in range(2, NUMBERED))]
        wanted = [base[: NAME_LENGTH - len(suffix)] + suffix for base in bases for suffix in suffixes]
        for name in [*wanted, f"Person {secrets.token_hex(4)}"]:
            try:
                user = await self._add(self._usable(name), "member", "free", None)
            except AccountError as error:
                if error.code not in ("name-taken", "bad-name"):
                    raise
                continue
            if await self._store.identities.link(claimed.issuer, claimed.subject, user.id):
                return user
            await self._store.users.delete(user.id)  # the same person in another window was faster
            break
        known = await self._store.identities.find(claimed.issuer, claimed.subject)
        if known is None:
            raise AccountError(409, "name-taken", "No name was free for you. Ask an administrator.")
        return known

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
        try:
            secret, ended = await self._store.sessions.begin(user.id, now, expires_at)
        except Disabled:
            raise disabled() from None
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
