"""Coverage-guided fuzzing: one target a module, each a function `check(data)` that raises when something is wrong.

    python -m fuzz endpoint -max_total_time=60

The modules import nothing but Hubline, so that what was found (`corpus/`) is replayed by `tests/fuzz` without atheris.
"""

TARGETS = ("json_codec", "msgpack_codec", "framing", "handshake", "negotiate", "wire_connection", "endpoint")
