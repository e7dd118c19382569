"""Answers requests about runs: determines the sender, and makes the event stream."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.responses import Response

from hubline.auth.identity import Authenticate, application_user, asynchronous
from hubline.runs.elsewhere import RemoteRecord
from hubline.runs.http.dialects import DEFAULT, DIALECTS
from hubline.runs.http.requests import Admit, Permit, everybody
from hubline.runs.http.stream import RunResponse
from hubline.runs.http.subject import Subject
from hubline.runs.info import Caller
from hubline.runs.keeping import Keeper
from hubline.runs.record import Record
from hubline.runs.settings import Settings
from hubline.runs.starting import join_others
from hubline.transports.admission import Admission


class HttpKeeper(Keeper):
    """The runs of one server, for plain HTTP."""

    def __init__(self, settings: Settings, authenticate: Authenticate | None) -> None:
        super().__init__(settings)
        self._ends_with_token = False
        self._has_own_admission = authenticate is not None
        self._admit: Admit = Admission(authenticate=asynchronous(authenticate or application_user)).admit
        self._permit: Permit = everybody
        self._readers: set[Callable[[], None]] = set()
        """Functions that break off the open responses."""

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

        `dialect` is a name for `?as=`, `sent` the body of the request, if the client of the dialect sends one. Without
        a `caller`, rights are not checked, as for the application itself. 204 if `after` is the position of the end.

        Raises:
            HubError: there is no such run, or the caller may not see it.
            KeyError: there is no such dialect.
        """
        make = DIALECTS[dialect]
        record, rechecks = await self._find(run_id, "attach", caller), self._rechecks
        talk = make(Subject(record.id, record.room, sent or {}))
        ended = record.tape.ended
        if not talk.has_positions:
            after = None
        elif ended is not None and after == ended.item["position"]:
            return Response(status_code=204)

        async def found() -> Record:
            if rechecks != self._rechecks or record.is_lost:
                return await self._find(run_id, "attach", caller)
            # nobody may have followed it since it was found: another viewer has left
            return await self._elsewhere.open(record) if isinstance(record, RemoteRecord) else record

        identity = caller.identity if caller is not None and self._ends_with_token else None
        until = identity.expires_at if identity is not None else None
        return RunResponse(self._viewing.view(found, after, caller, None), talk, self._settings, until, self._readers)

    async def _drain(self) -> None:
        await super()._drain()
        for break_off in list(self._readers):  # their time is over, and they do not read
            break_off()

    def _behind(self, admit: Admit, permit: Permit, ends_with_token: bool) -> None:
        """The rights over plain HTTP, and their duration, are those of the hub."""
        self._ends_with_token = ends_with_token
        if not self._has_own_admission:
            self._admit, self._permit = admit, permit

    def _opened(self) -> None:
        """The application has started: join the other servers now, since nobody may ask this one for a while."""
        self._enter_loop()
        if self._settings.log.shared:
            joining = join_others(self._settings, lambda: self._execution.draining)
            self._settings.tasks.start(joining, name="hubline.runs: joining other servers")
