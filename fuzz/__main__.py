"""Runs one target under atheris, or `all` one after the other.

Arguments behind its name are libFuzzer's: `-runs=1000`, `-max_total_time=60`, a file.
What fails is written to `found/`: cut it down with `-minimize_crash=1`, mend the fault, keep it in `corpus/TARGET`.
"""

import importlib
import os
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

from fuzz import TARGETS

ALL = "all"
CORPUS, FOUND = Path(__file__).parent / "corpus", Path(__file__).parent / "found"


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in (*TARGETS, ALL):
        sys.exit(f"python -m fuzz TARGET [libFuzzer arguments], where TARGET is one of {', '.join((*TARGETS, ALL))}")
    names, arguments = TARGETS if sys.argv[1] == ALL else (sys.argv[1],), sys.argv[2:]
    with atheris.instrument_imports(include=["hubline"]):
        targets = {name: importlib.import_module(f"fuzz.{name}") for name in names}
    for name in names[:-1]:  # libFuzzer ends the process in which it ran
        child = os.fork()
        if child == 0:
            fuzz(name, targets[name], arguments)
        if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            sys.exit(f"{name} failed with {status}")
    fuzz(names[-1], targets[names[-1]], arguments)


def fuzz(name: str, target: ModuleType, arguments: list[str]) -> None:
    """Run a target, and end this process with libFuzzer's status."""
    sys.stderr.write(f"{name}:\n")
    with tempfile.TemporaryDirectory() as found, tempfile.TemporaryDirectory() as seeds:
        for number, seed in enumerate(target.SEEDS):
            Path(seeds, str(number)).write_bytes(seed)
        kept = [str(path) for path in [CORPUS / name] if path.is_dir()]
        files = [each for each in arguments if not each.startswith("-")]
        options = [each for each in arguments if each.startswith("-")]
        places = files or [found, seeds, *kept]  # libFuzzer adds to the first of several directories
        FOUND.mkdir(exist_ok=True)
        limits = ["-max_len=4096", "-timeout=10", f"-artifact_prefix={FOUND}/"]
        atheris.Setup([sys.argv[0], *limits, *options, *places], target.check)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
