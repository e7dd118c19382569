"""What a call does: hubs, their methods, and everything between a decoded message and the user's code."""
