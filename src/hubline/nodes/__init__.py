"""Several servers without sticky sessions: a request for a connection of another server is passed on to it."""
