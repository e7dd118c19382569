"""Questions: the server asks a client and waits for its answer."""

from typing import Protocol

from hubline import Hub, HubApp, HubError


class Browser(Protocol):
    """A method with a result is a question. It can be sent only to a single client."""

    async def confirm(self, question: str) -> bool: ...

    async def file_deleted(self, path: str) -> None: ...


class FileHub(Hub[Browser]):
    """While a call waits for its answer, the connection's pings, cancellations and results go on."""

    async def delete(self, path: str) -> str:
        if not await self.clients.caller.confirm(f"Delete {path}?"):
            raise HubError("Nothing was deleted.")
        await self.clients.others.file_deleted(path)
        return path


app = HubApp({"/files": FileHub})
