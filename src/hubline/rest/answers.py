"""The answers of the API, also those to requests that are refused.

Shapes and codes: Azure/azure-signalr, docs/swagger/v20241201.json (`ErrorDetail`, the header `x-ms-error-code`) and
the emulator's `SignalRServiceEmulatorWebApi.cs`. See docs/decisions/rest-api.md.
"""

from typing import Any

from msgspec.json import encode
from starlette.responses import Response

CONNECTION_NOT_FOUND = "Warning.Connection.NotExisted"
"""For questions whether it exists, and for closing it. By this header SDKs know that the address was right."""
GROUP_NOT_FOUND = "Warning.Group.NotExisted"
USER_NOT_FOUND = "Warning.User.NotExisted"
NOT_IN_GROUP = "Info.User.NotInGroup"
NO_CONNECTION = "Error.Connection.NotExisted"
"""For what needs the connection."""

_CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    404: "NotFound",
    405: "MethodNotAllowed",
    413: "PayloadTooLarge",
    415: "UnsupportedMediaType",
    429: "TooManyRequests",
    500: "InternalServerError",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}
"""The codes of other errors. Ours: Azure's are not documented."""


class Problem(Exception):
    """The request is answered with this status, and an `ErrorDetail` with this text."""

    def __init__(
        self, status: int, message: str, *, code: str = "", target: str = "", headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.target = status, message, target
        self.code, self.headers = code or _CODES[status], headers or {}

    def response(self) -> Response:
        detail = {"code": self.code, "message": self.message}
        if self.target:
            detail["target"] = self.target
        found = json_response(detail, self.status)
        found.headers["x-ms-error-code"] = self.code
        found.headers.update(self.headers)
        return found


def json_response(value: Any, status: int = 200) -> Response:
    """Raises TypeError or ValueError for what JSON cannot carry."""
    return Response(encode(value), status, media_type="application/json")


def empty(status: int) -> Response:
    """Success without a body, as the emulator answers."""
    return Response(status_code=status)
