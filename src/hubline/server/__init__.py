"""Hubs, their methods, and everything between a decoded message and the user's code."""
