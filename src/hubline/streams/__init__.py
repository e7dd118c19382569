"""Streams between a client and a hub method, paced by whoever reads them."""
