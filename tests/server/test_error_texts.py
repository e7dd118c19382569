import pytest

from hubline.errors import (
    BackplaneError,
    BindingError,
    HubError,
    KeepAliveTimeout,
    MessageTooLarge,
    RemoteProtocolError,
)
from hubline.server.error_texts import AWAY, error_text


class Custom(Exception): ...


class CustomHubError(HubError): ...


@pytest.mark.statement(116, 117)
@pytest.mark.parametrize(
    ("error", "plain", "detailed"),
    [
        (HubError("no"), "Base. HubException: no", "Base. HubException: no"),
        (CustomHubError("no"), "Base. HubException: no", "Base. HubException: no"),
        (Custom("secret detail"), "Base.", "Base. Custom: secret detail"),
        (BindingError("Add", "expected `int`"), "Base.", "Base. InvalidDataException: expected `int`"),
        (RemoteProtocolError("bad"), "Base.", "Base. InvalidDataException: bad"),
        (
            MessageTooLarge(9),
            "Base.",
            "Base. InvalidDataException: The maximum message size of 9B was exceeded. "
            "The message size can be configured in AddHubOptions.",
        ),
        (
            KeepAliveTimeout(30),
            "Base.",
            "Base. OperationCanceledException: "
            "Client hasn't sent a message/ping within the configured ClientTimeoutInterval.",
        ),
        (
            BackplaneError("Redis at 10.0.0.1 is away"),
            f"Base. HubException: {AWAY}",
            "Base. BackplaneError: Redis at 10.0.0.1 is away",
        ),
        (HubError("half \ud800"), "Base. HubException: half ?", "Base. HubException: half ?"),
    ],
)
def test_what_travels(error: Exception, plain: str, detailed: str) -> None:
    assert error_text("Base.", error, detailed=False) == plain
    assert error_text("Base.", error, detailed=True) == detailed
