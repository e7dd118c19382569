"""Who may come in: names, passwords, sessions, and the tokens that open the hub."""
