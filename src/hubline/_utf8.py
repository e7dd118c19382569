"""Checks for UTF-8."""


def is_utf8(payload: bytes) -> bool:
    """Whether the bytes are UTF-8, which a WebSocket's text must be (RFC 6455 §5.6)."""
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True
