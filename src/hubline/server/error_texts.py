"""The error texts for callers, word for word those of the original (spec §5.3)."""

from hubline.errors import BackplaneError, BindingError, HubError, KeepAliveTimeout, RemoteProtocolError, text_of

UNKNOWN_METHOD = "Failed to invoke '{0}' due to an error on the server. HubException: Method does not exist."
BINDING_FAILED = "Failed to invoke '{0}' due to an error on the server."
UNAUTHORIZED = "Failed to invoke '{0}' because user is unauthorized"
STREAM_AS_CALL = "The client attempted to invoke the streaming '{0}' method with a non-streaming invocation."
CALL_AS_STREAM = "The client attempted to invoke the non-streaming '{0}' method with a streaming invocation."
INVOCATION_FAILED = "An unexpected error occurred invoking '{0}' on the server."
STREAM_FAILED = "An error occurred on the server while streaming results."
NOT_A_STREAM = "The value returned by the streaming method '{0}' is not a ChannelReader<> or IAsyncEnumerable<>."
ID_IN_USE = "Invocation ID '{0}' is already in use."
CONNECTION_FAILED = "Connection closed with an error."
NO_RESULT_IN_ON_CONNECTED = "Client results inside OnConnectedAsync Hub methods are not allowed."

AWAY = "A part of the service cannot be reached at present. Try again in a moment."
"""Instead of the text of a BackplaneError, which names servers. The original does not tell its callers that much."""


def error_text(base: str, error: BaseException, *, detailed: bool) -> str:
    """`base`, and the error's text if callers may see it: always for a `HubError`, else only with detailed errors.

    Of an outage callers are told that it is one.

    Characters that UTF-8 cannot encode are replaced, so that an error can always be sent.
    """
    if isinstance(error, HubError):
        base = f"{base} HubException: {text_of(error)}"
    elif detailed:
        base = f"{base} {_name(error)}: {_sentence(error)}"
    elif isinstance(error, BackplaneError):
        base = f"{base} HubException: {AWAY}"
    return base.encode(errors="replace").decode()


def _name(error: BaseException) -> str:
    """The name of the exception in the original."""
    if isinstance(error, BindingError | RemoteProtocolError):
        return "InvalidDataException"
    if isinstance(error, KeepAliveTimeout):
        return "OperationCanceledException"
    return type(error).__name__


def _sentence(error: BaseException) -> str:
    return error.message if isinstance(error, BindingError) else text_of(error)
