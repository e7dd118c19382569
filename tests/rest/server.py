"""The hub with its API as a process of its own, on each ASGI server that is tested."""

import argparse

from tests.interop.serving import SERVERS, listen, serve
from tests.rest.site import hub_app, site


def main() -> None:
    parser = argparse.ArgumentParser(description="A hub, and publishing over HTTP.")
    parser.add_argument("--server", choices=sorted(SERVERS), default="accelerated")
    arguments = parser.parse_args()
    hubs = hub_app()
    with listen("127.0.0.1", 0) as listener:
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        serve(arguments.server, site(hubs), hubs.drain, listener)


if __name__ == "__main__":
    main()
