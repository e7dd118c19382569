"""Serves the peers on ASGI: uvicorn with its fastest settings."""

import argparse
from typing import Any

import uvicorn


def port() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    return int(parser.parse_args().port)


def serve(app: Any, lifespan: str = "auto") -> None:
    """Until a signal comes."""
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=port(),
        loop="uvloop",
        http="httptools",
        lifespan=lifespan,  # type: ignore[arg-type]
        access_log=False,
        log_level="warning",
        backlog=4096,
        ws_per_message_deflate=False,
        ws_ping_interval=None,
    )
