"""Answering requests about runs: who sends them, and what they read."""

from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from hubline.auth.identity import Authenticate, application_user, asynchronous
from hubline.runs.http.dialects import DEFAULT, DIALECTS
from hubline.runs.http.requests import Admit
from hubline.runs.http.stream import RunResponse
from hubline.runs.http.subject import Subject
from hubline.runs.info import Caller
from hubline.runs.keeping import Keeper
from hubline.runs.record import Record
from hubline.runs.settings import Settings
from hubline.transports.admission import Admission


class HttpKeeper(Keeper):
    """The runs of one server, with what plain HTTP needs of them."""

    def __init__(self, settings: Settings, authenticate: Authenticate | None) -> None:
        super().__init__(settings)
        self._ends_with_token = False
        self._has_own_admission = authenticate is not None
        self._admit: Admit = Admission(authenticate=asynchronous(authenticate or application_user)).admit

    async def respond(
        self,
        run_id: str,
        dialect: str = DEFAULT,
        after: object = None,
        *,
        caller: Caller | None = None,
        sent: Mapping[str, Any] | None = None,
    ) -> Response:
        """The items of a run as the response of a route of your own: Server-Sent Events, as `…/events` answers them.

        `dialect` is what `?as=` says, `sent` the body of the request, where a dialect's client sends one. Without a
        `caller`, as the application itself: whatever anybody's rights are. 204 where `after` is the position of the
        end.

        Raises:
            HubError: there is no such run, or the caller may not see it.
            KeyError: there is no such dialect.
        """
        make = DIALECTS[dialect]
        record = await self._find(run_id, "attach", caller)
        talk = make(Subject(record.id, record.room, sent or {}))
        ended = record.tape.ended
        if not talk.has_positions:
            after = None
        elif ended is not None and after == ended.item["position"]:
            return Response(status_code=204)

        async def found() -> Record:
            return record

        identity = caller.identity if caller is not None and self._ends_with_token else None
        until = identity.expires_at if identity is not None else None
        return RunResponse(self._viewing.view(found, after, caller, None), talk, self._settings, until)

    def _behind(self, admit: Admit, ends_with_token: bool) -> None:
        """Who may come over plain HTTP, and for how long: whoever may come to the hub, and as long."""
        self._ends_with_token = ends_with_token
        if not self._has_own_admission:
            self._admit = admit
