"""The sockets of the workers: all on one port, which nobody else is given meanwhile."""

import socket
from contextlib import ExitStack

import pytest

from hubline.servers.listening import bind
from hubline.workers import serving


def test_a_free_port_is_kept_from_the_first_socket_to_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program takes it at once when it is let go."""
    with ExitStack() as stack:
        chosen: list[socket.socket] = []

        def bound(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
            if port and not any(each.fileno() >= 0 for each in chosen):
                stack.enter_context(socket.create_server((host, port)))
            chosen.extend(made := bind(host, port, shared=shared))
            return made

        monkeypatch.setattr(serving, "bind", bound)
        own = [each for some in serving.listening("127.0.0.1", 0, 3) for each in some]
        for each in own:
            stack.enter_context(each)
        assert len(own) == 3
        assert len({each.getsockname() for each in own}) == 1


@pytest.mark.parametrize("shared", [False, True])
def test_a_port_that_another_program_has_is_an_error(shared: bool) -> None:
    with ExitStack() as stack:
        (taken,) = bind("127.0.0.1", 0, shared=shared)
        stack.enter_context(taken).listen()
        with pytest.raises(OSError, match="in use"):
            serving.listening("127.0.0.1", taken.getsockname()[1], 2)
