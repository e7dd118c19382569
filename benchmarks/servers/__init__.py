"""One small program per peer, all with the same methods: `EchoText`, `Broadcast`, `BroadcastApart`, streams, groups.

`Broadcast(messages, size)` sends in one go, `BroadcastApart(messages, size)` each in its own turn of the event loop.
"""
