"""The application of `hubline_server`, for `hubline run --workers`."""

from benchmarks.servers.hubline_server import application

app = application()
