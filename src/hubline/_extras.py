"""Which extra has a package that is missing. The packages of extras are imported by the modules that need them."""

EXTRAS = {
    "aiohttp": "hubline[client]",
    "jwt": "hubline[jwt]",
    "openai": "openai",
    "opentelemetry": "hubline[otel]",
    "picows": "hubline[server]",
    "prompt_toolkit": "hubline[cli]",
    "psycopg": "hubline[postgres]",
    "pyrate_limiter": "hubline[limits]",
    "redis": "hubline[redis]",
    "rich": "hubline[server]",
    "typer": "hubline[server]",
    "uvicorn": "hubline[server]",
    "uvloop": "hubline[server]",
    "websockets": "hubline[server]",
}
"""What to install, by the names that are imported. The adapter for OpenAI's client has no extra of its own."""


def missing(error: ImportError, extra: str | None = None) -> str:
    """The sentence for a package that is missing; `extra` is the one that everything is in that is needed here."""
    name = (error.name or "").partition(".")[0]
    wanted = f"hubline[{extra}]" if extra else EXTRAS.get(name, name)
    return f"the package {name!r} is missing: pip install '{wanted}'"


def lacks_extra(error: ModuleNotFoundError) -> bool:
    """Whether a module of Hubline lacks a package of an extra: its `import` is where the error comes from."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    importer = "" if at is None else str(at.tb_frame.f_globals.get("__name__"))
    return importer.startswith("hubline.") and (error.name or "").partition(".")[0] in EXTRAS
