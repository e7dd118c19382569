"""Data of the machine, and the resources that a process has used. Linux only: all of it comes from `/proc`."""

import contextlib
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("hubline", "uvicorn", "uvloop", "picows", "httptools", "websockets", "msgspec", "starlette")
_SHARED = re.compile(r"Microsoft\.AspNetCore\.App/([\w.-]+)/")
COMPILERS = (".NET Tiered Com",)
"""The kernel's name for the thread that compiles in the background, cut to 15 characters."""
TICKS = os.sysconf("SC_CLK_TCK")
ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds, of a process and its children."""

    user: float
    kernel: float

    @property
    def total(self) -> float:
        return self.user + self.kernel

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.user - other.user, self.kernel - other.kernel)


def family(pid: int) -> list[int]:
    """The process and everything below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def usage(pids: list[int]) -> Usage:
    """CPU so far, in steps of the kernel's clock (10 ms on most machines)."""
    stats = [fields for pid in pids if (fields := _stat(pid))]
    return Usage(sum(int(each[11]) for each in stats) / TICKS, sum(int(each[12]) for each in stats) / TICKS)


def resident(pids: list[int]) -> int:
    """Bytes of memory that are in use."""
    return sum(int(fields[21]) for pid in pids if (fields := _stat(pid))) * os.sysconf("SC_PAGE_SIZE")


def compiling(pids: list[int]) -> float:
    """CPU seconds of the threads that compile frequent code; 0 for a program without such a thread."""
    found = 0
    for pid in pids:
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            for thread in Path(f"/proc/{pid}/task").iterdir():
                if (thread / "comm").read_text().startswith(COMPILERS):
                    found += int((thread / "schedstat").read_text().split()[0])
    return found / 1e9


def on_cpu(pids: list[int]) -> float:
    """CPU seconds so far, to the nanosecond and of both kinds together, for a process that uses little."""
    found = 0
    for pid in pids:
        with contextlib.suppress(OSError):  # a thread may end meanwhile
            for thread in Path(f"/proc/{pid}/task").iterdir():
                found += int((thread / "schedstat").read_text().split()[0])
    return found / 1e9


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on; empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def aspnetcore(pids: list[int]) -> str:
    """The version of ASP.NET Core that a process has loaded, from the path of its files; empty if that has none."""
    for pid in pids:
        with contextlib.suppress(OSError):
            if found := _SHARED.search(Path(f"/proc/{pid}/maps").read_text()):
                return found[1]
    return ""


def cores() -> tuple[int, int]:
    """One core for the servers, another for the load; the same one twice where there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


def describe() -> dict[str, Any]:
    """The origin of a result, for its readers."""
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(ROOT),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := installed(name))},
    }


def installed(package: str) -> str:
    """Its version; empty if it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def output(*command: str) -> str:
    """The output of a command; empty if it fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def commit(root: Path) -> str:
    """The commit of a checkout, and whether it was changed since."""
    git = ("git", "-C", str(root))
    found = output(*git, "rev-parse", "--short=12", "HEAD")
    return found + ("+changes" if output(*git, "status", "--porcelain", "--untracked-files=no") else "")


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
