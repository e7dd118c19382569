"""Server-Sent Events: what stands in a response that does not end (HTML standard, section 9.2)."""

HEADERS = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache,no-store"),
    (b"pragma", b"no-cache"),
    (b"content-encoding", b"identity"),
    (b"x-accel-buffering", b"no"),
)
"""As `ServerSentEventsServerTransport`; the last is ours, so that nginx passes events on at once."""

CRLF, LF = b"\r\n", b"\n"
"""Lines of hubs end as the original's do. Those of runs end with LF: the client of AG-UI knows no other."""


def event(payload: bytes, newline: bytes = CRLF, *, id: str | None = None, name: str | None = None) -> bytes:
    """One event: a data line for each line of the payload. A CR before its LF is dropped, as the original does.

    `id` is what a browser sends back as `Last-Event-ID`; without one it keeps that of the event before. `name` is
    what it listens for, `message` if there is none.
    """
    lines = [b"data: " + line.removesuffix(b"\r") + newline for line in payload.split(b"\n")]
    if id is not None:
        lines.insert(0, b"id: " + id.encode() + newline)
    if name is not None:
        lines.insert(0, b"event: " + name.encode() + newline)
    return b"".join([*lines, newline])
