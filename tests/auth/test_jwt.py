import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hubline import ConfigurationError, ConnectionScope, Identity
from hubline.auth.jwt import JwtBearer, make_token, token_of
from tests.auth.issuer import Issuer, served

SECRET = "a secret of 32 bytes or more: yes"
ISSUER = Issuer()
RSA = generate_private_key(public_exponent=65537, key_size=2048)
RSA_PUBLIC = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
BEARER = JwtBearer(SECRET, algorithms=["HS256"])


def request(token: str | None = None, *, query: str = "", accept: str = "*/*", **values: Any) -> ConnectionScope:
    headers = [(b"accept", accept.encode())]
    if token is not None:
        headers.append((b"authorization", f"Bearer {token}".encode()))
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers, "query_string": query.encode()}
    return ConnectionScope({**scope, **values})


def signed(key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    payload = {"sub": "ada", "exp": int(time.time()) + 7_200, **claims}
    return jwt.encode({name: value for name, value in payload.items() if value is not None}, key, algorithm)


def forged(**claims: Any) -> str:
    """What PyJWT itself would not make."""
    payload = json.dumps({"sub": "ada", "exp": int(time.time()) + 7_200, **claims})
    return jwt.api_jws.encode(payload.encode(), SECRET, "HS256")


@pytest.mark.parametrize(
    ("subject", "user_id"),
    [(7, "7"), (-5, "-5"), (7.0, "7"), (1.5, "1.5"), (2**63, "9223372036854775808"), ("007", "007")],
)
async def test_a_subject_that_is_a_number_is_its_text(subject: Any, user_id: str) -> None:
    """Asked from ASP.NET Core 10, which also refuses what is no name: true, lists, objects."""
    found = await BEARER(request(signed(sub=subject)))
    assert found is not None
    assert found.user_id == user_id
    assert found.claims["sub"] == subject


@pytest.mark.parametrize(
    ("claims", "roles"),
    [
        ({"role": 7}, {"7"}),
        ({"roles": [1, 2.0, "admin"]}, {"1", "2", "admin"}),
        ({"role": 1.5, "roles": "staff"}, {"1.5", "staff"}),
        ({"role": True, "roles": [None, {"a": 1}, ["b"], False, ""]}, set()),
        ({"role": {"a": 1}}, set()),
    ],
)
async def test_roles_may_be_numbers_and_what_cannot_be_one_is_none(claims: dict[str, Any], roles: set[str]) -> None:
    found = await BEARER(request(signed(**claims)))
    assert found is not None
    assert found.roles == roles


async def test_the_audience_can_be_left_unchecked() -> None:
    anybodys = JwtBearer(SECRET, algorithms=["HS256"], verify_audience=False)
    for claims in ({"aud": "others"}, {"aud": ["a", "b"]}, {}):
        assert await anybodys(request(signed(**claims))) is not None
    assert await anybodys(request(signed(exp=int(time.time()) - 60, aud="others"))) is None
    with pytest.raises(ConfigurationError, match="cannot be used together"):
        JwtBearer(SECRET, algorithms=["HS256"], audience="chat", verify_audience=False)


async def test_a_token_says_who_it_is_and_until_when() -> None:
    expires = int(time.time()) + 60
    found = await BEARER(request(signed(exp=expires, tier="premium", roles=["admin", "staff"], role="boss")))
    assert found is not None
    assert (found.user_id, found.expires_at) == ("ada", expires)
    assert found.claims["tier"] == "premium"
    assert found.roles == {"admin", "staff", "boss"}


async def test_no_token_is_a_stranger() -> None:
    assert await BEARER(request()) is None


NOW = int(time.time())
REFUSED = {
    "expired": signed(exp=NOW - 31),
    "not yet valid": signed(nbf=NOW + 3_600),
    "from the future": signed(iat=NOW + 3_600),
    "without an end": signed(exp=None),
    "an end that is no number": signed(exp="soon"),
    "an endless end": signed(exp=float("inf")),
    "of another secret": signed("another secret of 32 bytes or more"),
    "of another algorithm": signed(SECRET * 2, "HS384"),
    "without a signature": jwt.encode({"sub": "ada", "exp": NOW + 3_600}, "", "none"),
    "for some audience": signed(aud="others"),
    "whose subject is true": signed(sub=True),
    "whose subject is a list": signed(sub=["ada"]),
    "whose subject is an object": signed(sub={"name": "ada"}),
    "whose id is no text": forged(jti=5),
    "whose beginning is no number": forged(nbf="soon"),
    "cut": signed()[:-3],
    "no token": "nonsense",
    "empty parts": "..",
    "nested too deeply": jwt.utils.base64url_encode(b"[" * 4_000).decode() + ".e30.e30",
    "too long": signed(padding="x" * 8_192),
    "not of ASCII": "é" * 30,
}


@pytest.mark.parametrize("token", REFUSED.values(), ids=REFUSED.keys())
async def test_a_token_that_is_not_valid_is_a_stranger_and_never_logged(
    token: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    scope = ConnectionScope({**request().raw, "headers": [(b"authorization", f"Bearer {token}".encode("latin-1"))]})
    assert await BEARER(scope) is None
    [message] = caplog.messages
    assert message.startswith("a bearer token was refused: ")
    assert not any(part in message for part in token.split(".") if len(part) > 3)


async def test_clocks_may_differ_a_little() -> None:
    late = signed(exp=int(time.time()) - 5)
    assert await BEARER(request(late)) is not None
    assert await JwtBearer(SECRET, algorithms=["HS256"], leeway=0)(request(late)) is None


async def test_issuer_and_audience_must_be_the_expected_ones() -> None:
    strict = JwtBearer(SECRET, algorithms=["HS256"], issuer="https://issuer.example", audience=["chat", "voice"])
    assert await strict(request(signed(iss="https://issuer.example", aud="chat")))
    for claims in ({"aud": "chat"}, {"iss": "https://issuer.example"}, {"iss": "x", "aud": "chat"}):
        assert await strict(request(signed(**claims))) is None


async def test_another_claim_can_name_the_user() -> None:
    by_email = JwtBearer(SECRET, algorithms=["HS256"], user_id_claim="email", role_claims=["groups"])
    found = await by_email(request(signed(email="ada@example.org", groups="admin", role="ignored")))
    assert found is not None
    assert (found.user_id, found.roles) == ("ada@example.org", frozenset({"admin"}))
    nameless = await by_email(request(signed()))
    assert nameless is not None
    assert nameless.user_id is None


async def test_a_public_key_in_pem() -> None:
    bearer = JwtBearer(ISSUER.pem, algorithms=["ES256"])
    assert await bearer(request(ISSUER.token("bob"))) is not None
    assert await bearer(request(Issuer().token())) is None
    either = JwtBearer(RSA_PUBLIC.decode(), algorithms=["RS256", "PS256"])
    assert await either(request(signed(RSA, "PS256"))) is not None


async def test_keys_at_an_address() -> None:
    with served(lambda: [ISSUER.document]) as url:
        bearer = JwtBearer(jwks_url=url, algorithms=["ES256"])
        assert (found := await bearer(request(ISSUER.token("bob")))) is not None
        assert found.user_id == "bob"
        for token in (
            Issuer().token(),
            ISSUER.token(headers={"kid": "unknown"}),
            signed(SECRET, "HS256"),
            signed(ISSUER.pem.hex(), "HS256"),
            "nonsense",
        ):
            assert await bearer(request(token)) is None


async def test_an_issuer_that_cannot_be_reached_makes_strangers() -> None:
    with served(lambda: [ISSUER.document]) as url:
        pass
    assert await JwtBearer(jwks_url=url, algorithms=["ES256"])(request(ISSUER.token())) is None


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_token_in_the_header(scheme: str) -> None:
    headers = [(b"authorization", f"{scheme} a.b.c".encode())]
    assert token_of(ConnectionScope({**request().raw, "headers": headers})) == "a.b.c"


@pytest.mark.statement(185)
def test_the_token_in_the_query_counts_only_where_browsers_cannot_send_a_header() -> None:
    query = "id=x&access_token=a.b.c"
    events = "text/event-stream"
    assert token_of(request(query=query, type="websocket", method=None)) == "a.b.c"
    assert token_of(request(query=query, method="GET", accept=events)) == "a.b.c"
    assert token_of(request(query=query, method="GET")) is None
    assert token_of(request(query=query)) is None
    assert token_of(request(query=query, method="DELETE", accept=events)) is None
    assert token_of(request("from.the.header", query=query, type="websocket")) == "from.the.header"


@pytest.mark.parametrize(
    ("method", "accept"), [("POST", "*/*"), ("GET", "*/*"), ("GET", "text/event-stream"), ("DELETE", "*/*")]
)
@pytest.mark.parametrize("everywhere", [True, False])
async def test_the_token_in_the_query_can_count_everywhere(method: str, accept: str, everywhere: bool) -> None:
    bearer = JwtBearer(SECRET, algorithms=["HS256"], query_token_everywhere=everywhere)
    asked = request(query=f"id=x&access_token={signed()}", method=method, accept=accept)
    found = await bearer(asked)
    assert (found is not None) is (everywhere or "event-stream" in accept)
    other = request(signed(sub="bob"), query=f"access_token={signed()}", method=method)
    found = await bearer(other)
    assert found is not None
    assert found.user_id == "bob", "the header comes first"


@pytest.mark.parametrize("value", ["Basic YTpi", "Bearer", "Bearer ", "", "a.b.c"])
def test_other_headers_hold_no_token(value: str) -> None:
    headers = [(b"authorization", value.encode())]
    assert token_of(ConnectionScope({**request().raw, "headers": headers})) is None


PRIVATE_PEM = RSA.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"key": SECRET, "algorithms": []}, "must be a list of some of"),
        ({"key": SECRET, "algorithms": "HS256"}, "must be a list of some of"),
        ({"key": SECRET, "algorithms": ["none"]}, "must be a list of some of"),
        ({"key": SECRET, "algorithms": ["HS256", "XS256"]}, "must be a list of some of"),
        ({"key": SECRET, "algorithms": ["HS256", "RS256"]}, "mixes shared secrets and public keys"),
        ({"algorithms": ["HS256"]}, "give either `key` or `jwks_url`"),
        ({"key": SECRET, "jwks_url": "https://a.example/", "algorithms": ["RS256"]}, "give either `key` or `jwks_url`"),
        ({"jwks_url": "http://a.example/", "algorithms": ["RS256"]}, "must be an https address"),
        ({"jwks_url": "https://a.example/", "algorithms": ["HS256"]}, "HS256 needs a secret"),
        ({"key": "short", "algorithms": ["HS256"]}, "has 5 bytes, and HS256 needs 32 or more"),
        ({"key": "x" * 40, "algorithms": ["HS256", "HS512"]}, "has 40 bytes, and HS256, HS512 needs 64 or more"),
        ({"key": RSA_PUBLIC, "algorithms": ["HS256"]}, "must not be the secret of HS256"),
        ({"key": SECRET, "algorithms": ["RS256"]}, "is not a public key for RS256"),
        ({"key": RSA_PUBLIC, "algorithms": ["ES256"]}, "is not a public key for ES256"),
        ({"key": PRIVATE_PEM, "algorithms": ["RS256"]}, "is a private one"),
    ],
)
def test_settings_that_would_let_the_wrong_in_are_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        JwtBearer(**settings)
    assert any(each.startswith("JwtBearer: ") and problem in each for each in caught.value.problems)


@pytest.mark.parametrize(
    ("setting", "values"),
    {
        "algorithms": [None, 5, [5], [["HS256"]]],
        "jwks_url": [5],
        "issuer": [5, [5]],
        "audience": [5, b"chat"],
        "leeway": [-1, "30", True, None, float("nan"), float("inf")],
        "user_id_claim": [None, ["sub"]],
        "role_claims": ["roles", None, [5]],
        "verify_audience": ["no", 0, None],
        "query_token_everywhere": ["no", 1, None],
    }.items(),
)
def test_every_setting_of_the_wrong_kind_is_named(setting: str, values: list[Any]) -> None:
    for value in values:
        key = {} if setting == "jwks_url" else {"key": SECRET}
        with pytest.raises(ConfigurationError) as caught:
            JwtBearer(**({"algorithms": ["HS256"]} | key | {setting: value}))
        assert any(setting in problem for problem in caught.value.problems), value


@pytest.mark.parametrize(("key", "algorithm"), [(5, "HS256"), (5, "RS256"), ([SECRET], "HS256")])
def test_what_is_no_key_is_refused_and_not_shown(key: Any, algorithm: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        JwtBearer(key, algorithms=[algorithm])
    assert SECRET not in str(caught.value)


def test_an_rsa_key_that_is_too_small_is_refused() -> None:
    small = generate_private_key(65537, 1024).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ConfigurationError, match="2048"):
        JwtBearer(small, algorithms=["RS256"])


async def test_a_token_that_an_application_keeps_elsewhere() -> None:
    found = await BEARER.identify(signed())
    assert found is not None
    assert found.user_id == "ada"
    assert await BEARER.identify(signed()[:-3]) is None


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        JwtBearer(jwks_url="ftp://x", algorithms=["HS256", "RS256"])
    assert len(caught.value.problems) == 3


def test_what_is_shown_of_it_holds_no_secret() -> None:
    assert SECRET not in repr(BEARER)
    assert SECRET not in str(BEARER)


async def test_tokens_for_development() -> None:
    made = make_token(SECRET, "ada", claims={"tier": "premium"}, roles=["admin"], expires_in=90, audience="chat")
    found = await JwtBearer(SECRET, algorithms=["HS256"], audience="chat")(request(made))
    assert isinstance(found, Identity)
    assert found.expires_at is not None
    assert (found.user_id, found.claims["tier"], found.roles) == ("ada", "premium", frozenset({"admin"}))
    assert 85 < found.expires_at - time.time() <= 90
    assert await JwtBearer(RSA_PUBLIC, algorithms=["RS256"])(request(make_token(PRIVATE_PEM, "bob", algorithm="RS256")))


@pytest.mark.parametrize(
    ("key", "algorithm"), [("short", "HS256"), (RSA_PUBLIC, "HS256"), (SECRET, "RS256"), (SECRET, "X")]
)
def test_no_token_with_a_key_that_is_none(key: Any, algorithm: str) -> None:
    with pytest.raises(ConfigurationError):
        make_token(key, "ada", algorithm=algorithm)


@pytest.mark.parametrize("seconds", ["90", True, None, float("nan"), float("inf")])
def test_no_token_for_a_time_that_is_none(seconds: Any) -> None:
    with pytest.raises(ConfigurationError, match="expires_in must be a"):
        make_token(SECRET, "ada", expires_in=seconds)
