"""Negotiate, and the transports on any ASGI server: WebSockets, Server-Sent Events and long polling."""
