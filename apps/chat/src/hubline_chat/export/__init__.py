"""What was said in a room, as a file to keep."""
