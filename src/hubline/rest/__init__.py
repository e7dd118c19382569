"""Publishing over HTTP, in the shape of the data plane of Azure SignalR Service. Needs the extra `jwt`."""

from hubline.rest.api import RestApi
from hubline.rest.memberships import Memberships

__all__ = ["Memberships", "RestApi"]
