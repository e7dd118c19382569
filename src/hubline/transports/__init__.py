"""How bytes reach us: negotiate, WebSockets, Server-Sent Events and long polling on any ASGI server."""
