"""Questions: the server asks a client and waits for its answer."""

from typing import Protocol

from hubline import Hub, HubApp, HubError


class Browser(Protocol):
    """A method that returns something is a question. Only a single client can be asked."""

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
