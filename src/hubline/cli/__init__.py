"""The command `hubline`."""
