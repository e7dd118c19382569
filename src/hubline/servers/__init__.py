"""ASGI servers that do more for hubs than the protocol asks for."""
