"""ASGI servers with more features for hubs than ASGI requires."""
