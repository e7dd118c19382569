"""Streams between a client and a hub method. The reader of a stream controls its pace."""
