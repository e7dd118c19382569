"""What the bytes mean: messages, codecs, framing, handshake, negotiation. No I/O, no clock; shared by both sides."""
