"""Several processes that serve one port: `hubline run --workers`."""
