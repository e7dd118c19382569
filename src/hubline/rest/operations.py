"""The operations of the API. Paths, parameters and statuses: Azure/azure-signalr, docs/swagger/v20241201.json."""

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from hubline.backplanes.envelope import Selection
from hubline.connection import query_pairs
from hubline.errors import ConnectionClosed, HubError, InvocationError, SendTooLarge
from hubline.rest.addresses import Route
from hubline.rest.answers import (
    CONNECTION_NOT_FOUND,
    GROUP_NOT_FOUND,
    NO_CONNECTION,
    NOT_IN_GROUP,
    USER_NOT_FOUND,
    Problem,
    empty,
    json_response,
)
from hubline.rest.memberships import Remembered
from hubline.rest.messages import message_of
from hubline.server.client_results import TimedOut
from hubline.server.fanout import FanOut
from hubline.server.recipients import All, Groups, Recipients, Unawaited, Users
from hubline.wire.packet import SerializedMessage

LARGEST_PAGE = 200
LONGEST_NAME = 1024
"""Characters of the name of a group."""
LARGEST_NUMBER = 2**31 - 1


class Query:
    """The parameters of a query string. The case of their names does not count, as in ASP.NET Core."""

    def __init__(self, raw: bytes) -> None:
        self._pairs = [(name.lower(), value) for name, value in query_pairs(raw)]

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for key, value in self._pairs if key == name)

    def text(self, name: str) -> str:
        """The value, or an empty text."""
        return next(iter(self.all(name)), "")

    def number(self, name: str, *, least: int, most: int) -> int | None:
        """A whole number, if the parameter is given. Raises Problem: 400."""
        given = self.text(name)
        if not given:
            return None
        if not re.fullmatch(r"[0-9]{1,10}", given) or not least <= int(given) <= most:
            raise Problem(400, f"{name} must be a whole number from {least} to {most}.", target=name)
        return int(given)


@dataclass(frozen=True, slots=True)
class Call:
    """A request for a hub whose sender may make it."""

    request: Request
    hub: FanOut
    query: Query
    url: str
    """The address of the request as its sender knows it, without the query."""
    largest: int
    """Bytes that a body may have."""
    remembered: Remembered | None

    @property
    def excluded(self) -> tuple[str, ...]:
        return self.query.all("excluded")


# Messages


async def send_to_all(call: Call) -> Response:
    return await _send(call, All(call.excluded))


async def send_to_group(call: Call, group: str) -> Response:
    return await _send(call, Groups((_named(group),), call.excluded))


async def send_to_user(call: Call, user: str) -> Response:
    return await _send(call, Users((user,)))


async def send_to_connection(call: Call, connection: str) -> Response:
    return await _send(call, Unawaited((connection,)))


async def _send(call: Call, recipients: Recipients) -> Response:
    """202, also if there is nobody. Nothing is sent unless every codec of the hub can carry the message."""
    message = SerializedMessage(await message_of(call.request, call.largest))
    try:
        for codec in call.hub.codecs:
            message.packet_for(codec)
        await call.hub.send(recipients, message)
    except SendTooLarge as error:
        raise Problem(413, f"{error}", target="payload") from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Problem(400, f"The message cannot be sent: {error}.", target="arguments") from None
    except HubError as error:  # of a filter
        raise Problem(400, f"{error}") from None
    return empty(202)


async def invoke(call: Call, connection: str) -> Response:
    """The answer of one client."""
    message = await message_of(call.request, call.largest)
    try:
        result = await call.hub.ask(connection, message.target, tuple(message.arguments), object, None)
    except ConnectionClosed as error:
        raise Problem(404, f"{error}", code=NO_CONNECTION, target="connectionId") from None
    except TimedOut:
        if not await call.hub.connections.exist(Selection(connection)):  # a backplane may not have known it before
            raise Problem(404, "There is no such connection.", code=NO_CONNECTION, target="connectionId") from None
        raise Problem(504, "The client has not answered in time.", target="connectionId") from None
    except SendTooLarge as error:
        raise Problem(413, f"{error}", target="payload") from None
    except (HubError, InvocationError) as error:
        raise Problem(400, f"The client answered with an error: {error}", target="connectionId") from None
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Problem(400, f"The message cannot be sent: {error}.", target="arguments") from None
    try:
        return json_response({"result": result})
    except (TypeError, ValueError, RecursionError) as error:
        raise Problem(400, f"The client's answer has no form in JSON: {error}.") from None


# What exists


async def connection_exists(call: Call, connection: str) -> Response:
    return await _exists(call, Selection(connection), CONNECTION_NOT_FOUND)


async def group_exists(call: Call, group: str) -> Response:
    return await _exists(call, Selection(group=_named(group)), GROUP_NOT_FOUND)


async def user_exists(call: Call, user: str) -> Response:
    return await _exists(call, Selection(user_id=user), USER_NOT_FOUND)


async def user_is_in_group(call: Call, user: str, group: str) -> Response:
    if call.remembered is not None and await call.remembered.has(call.hub, user, _named(group)):
        return empty(200)
    return await _exists(call, Selection(user_id=user, group=_named(group)), NOT_IN_GROUP)


async def _exists(call: Call, which: Selection, code: str) -> Response:
    if not await call.hub.connections.exist(which):
        raise Problem(404, "There is none.", code=code)
    return empty(200)


async def group_connections(call: Call, group: str) -> Response:
    """A page of them, in the order of their ids, and the address of the next page if there is one."""
    top = call.query.number("top", least=1, most=LARGEST_NUMBER)
    size = call.query.number("maxpagesize", least=1, most=LARGEST_PAGE) or LARGEST_PAGE
    size = size if top is None else min(size, top)
    after = call.query.text("continuationtoken")
    found = await call.hub.connections.listed(Selection(group=_named(group)), after=after, limit=size + 1)
    page = [{"connectionId": each} | ({} if user is None else {"userId": user}) for each, user in found.listed]
    answer: dict[str, object] = {"value": page[:size]}
    if len(page) > size and top != size:
        given = {name: call.query.text(name) for name in ("maxpagesize", "application", "api-version")}
        given |= {"continuationToken": page[size - 1]["connectionId"], "top": "" if top is None else str(top - size)}
        answer["nextLink"] = f"{call.url}?{urlencode({name: value for name, value in given.items() if value})}"
    return json_response(answer)


# Closing


async def close_all(call: Call) -> Response:
    return await _close(call, Selection(excluded=call.excluded))


async def close_group(call: Call, group: str) -> Response:
    return await _close(call, Selection(group=_named(group), excluded=call.excluded))


async def close_user(call: Call, user: str) -> Response:
    return await _close(call, Selection(user_id=user, excluded=call.excluded))


async def _close(call: Call, which: Selection) -> Response:
    await call.hub.connections.close(which, call.query.text("reason"))
    return empty(204)


async def close_connection(call: Call, connection: str) -> Response:
    if not await call.hub.connections.close(Selection(connection), call.query.text("reason")):
        raise Problem(404, "There is no such connection.", code=CONNECTION_NOT_FOUND, target="connectionId")
    return empty(200)


# Groups


async def add_connection(call: Call, connection: str, group: str) -> Response:
    if not await call.hub.connections.join(Selection(connection), _named(group)):
        raise Problem(404, "There is no such connection.", code=NO_CONNECTION, target="connectionId")
    return empty(200)


async def remove_connection(call: Call, connection: str, group: str) -> Response:
    if not await call.hub.connections.leave(Selection(connection), _named(group)):
        raise Problem(404, "There is no such connection.", code=NO_CONNECTION, target="connectionId")
    return empty(200)


async def remove_connection_from_all(call: Call, connection: str) -> Response:
    await call.hub.connections.leave_all(Selection(connection))
    return empty(200)


async def add_user(call: Call, user: str, group: str) -> Response:
    """The connections that the user has, and will have. If none are remembered, a user without any is an error."""
    ttl = call.query.number("ttl", least=0, most=LARGEST_NUMBER)
    if call.remembered is not None:
        await call.remembered.add(call.hub, user, _named(group), ttl)
        return empty(200)
    if not await call.hub.connections.join(Selection(user_id=user), _named(group)):
        text = "The user has no connection, and this server does not remember groups of users who have none."
        raise Problem(404, text, code=USER_NOT_FOUND, target="user")
    return empty(200)


async def remove_user(call: Call, user: str, group: str) -> Response:
    if call.remembered is not None:
        await call.remembered.remove(call.hub, user, _named(group))
    await call.hub.connections.leave(Selection(user_id=user), _named(group))
    return empty(204)


async def remove_user_from_all(call: Call, user: str) -> Response:
    if call.remembered is not None:
        await call.remembered.remove(call.hub, user)
    await call.hub.connections.leave_all(Selection(user_id=user))
    return empty(204)


def _named(group: str) -> str:
    """The name of a group. Raises Problem: 400."""
    if not group.strip() or len(group) > LONGEST_NAME:
        raise Problem(400, f"A group has a name of 1 to {LONGEST_NAME} characters, not all blank.", target="group")
    return group


_CONNECTION, _GROUP, _USER = ("connections", "{connection}"), ("groups", "{group}"), ("users", "{user}")

OPERATIONS = (
    Route("POST", (":send",), send_to_all),
    Route("POST", (":closeConnections",), close_all),
    Route("HEAD", _CONNECTION, connection_exists),
    Route("DELETE", _CONNECTION, close_connection),
    Route("POST", (*_CONNECTION, ":send"), send_to_connection),
    Route("POST", (*_CONNECTION, ":invoke"), invoke),
    Route("DELETE", (*_CONNECTION, "groups"), remove_connection_from_all),
    Route("HEAD", _GROUP, group_exists),
    Route("POST", (*_GROUP, ":send"), send_to_group),
    Route("POST", (*_GROUP, ":closeConnections"), close_group),
    Route("GET", (*_GROUP, "connections"), group_connections),
    Route("PUT", (*_GROUP, *_CONNECTION), add_connection),
    Route("DELETE", (*_GROUP, *_CONNECTION), remove_connection),
    Route("HEAD", _USER, user_exists),
    Route("POST", (*_USER, ":send"), send_to_user),
    Route("POST", (*_USER, ":closeConnections"), close_user),
    Route("DELETE", (*_USER, "groups"), remove_user_from_all),
    Route("HEAD", (*_USER, *_GROUP), user_is_in_group),
    Route("PUT", (*_USER, *_GROUP), add_user),
    Route("DELETE", (*_USER, *_GROUP), remove_user),
)
"""By the segments behind the name of the hub."""
