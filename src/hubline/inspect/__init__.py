"""What a running server does, for administrators; and a page from which its hubs can be tried.

app.mount("/hubline", Inspect(hubs, allow="admin"))
"""

from hubline.inspect.api import Inspect

__all__ = ["Inspect"]
