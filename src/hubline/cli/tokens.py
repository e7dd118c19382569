"""The command `hubline token`: makes tokens to try an application."""

from collections.abc import Sequence

from hubline._extras import missing
from hubline.errors import ConfigurationError

KEY_VARIABLE = "HUBLINE_TOKEN_KEY"
"""The variable of the secret. Other users of a machine can see the options of a command, so a variable is safer."""

ALGORITHMS = ("HS256", "HS384", "HS512")


def development_token(
    key: str,
    subject: str,
    *,
    claims: Sequence[str],
    roles: Sequence[str],
    expires_in: float,
    issuer: str | None,
    audience: str | None,
    algorithm: str,
) -> str:
    """A bearer token for `JwtBearer(key, …)`; `claims` are written `NAME=VALUE`.

    Raises:
        ConfigurationError: with everything that is wrong.
    """
    try:
        from hubline.auth.jwt import make_token
    except ModuleNotFoundError as error:
        raise ConfigurationError([missing(error)]) from None
    pairs = [claim.partition("=") for claim in claims]
    problems = [f"--claim {name!r}: write NAME=VALUE" for name, sign, _ in pairs if not (name and sign)]
    if not key:
        problems.append(f"there is no key: set {KEY_VARIABLE}, or give --key")
    if algorithm not in ALGORITHMS:
        problems.append(f"--algorithm {algorithm}: one of {', '.join(ALGORITHMS)}, which sign with a shared secret")
    if problems:
        raise ConfigurationError(problems)
    return make_token(
        key,
        subject,
        claims={name: value for name, _, value in pairs},
        roles=roles,
        expires_in=expires_in,
        issuer=issuer,
        audience=audience,
        algorithm=algorithm,
    )
