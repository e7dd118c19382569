"""The channels over which servers with a shared log tell each other of runs."""


def run_channel(run_id: str) -> str:
    """Where each entry and each change of a run is published."""
    return f"hubline:runs:{{{run_id}}}:news"


def node_channel(node: str) -> str:
    """Where a server is asked, and gets its answers."""
    return f"hubline:nodes:{{{node}}}:calls"


def beat_channel(node: str) -> str:
    """Where a server hears itself, as long as it hears anything."""
    return f"hubline:nodes:{{{node}}}:beat"


def list_channel(group: str) -> str:
    """Where changes of the runs of a room or a starter are published."""
    kind, _, name = group.partition(":")
    return f"hubline:{kind}:{{{name}}}:news"
