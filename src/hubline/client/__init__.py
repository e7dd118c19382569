"""The client's side of a hub connection."""
