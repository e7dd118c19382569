"""Runs over plain HTTP: items as Server-Sent Events, in one of several dialects, and the calls as POST requests."""
