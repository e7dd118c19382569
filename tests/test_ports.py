"""Nobody is given a port that another server of this process may be about to use."""

from tests.ports import free_port, free_ports


def test_ports_are_different_though_nobody_listens_on_them_yet() -> None:
    given = [free_port() for _ in range(200)] + free_ports(20)
    assert len(set(given)) == len(given)
