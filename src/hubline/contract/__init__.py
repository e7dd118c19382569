"""The contract of an application: its hubs as AsyncAPI, what changed in it, and clients generated from it."""
