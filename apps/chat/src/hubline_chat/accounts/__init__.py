"""Access: names, passwords, sessions, and the tokens for the hub."""
