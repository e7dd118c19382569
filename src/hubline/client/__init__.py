"""The client side of a hub connection."""
