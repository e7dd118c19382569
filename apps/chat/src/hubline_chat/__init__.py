"""The chat application that ships with Hubline: rooms, people, and an assistant that answers word by word."""
