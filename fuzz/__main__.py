"""Runs one target under atheris. Arguments behind its name are libFuzzer's: `-runs=1000`, `-max_total_time=60`, a file.

What fails is written to `found/`: cut it down with `-minimize_crash=1`, mend the fault, keep it in `corpus/TARGET`.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

from fuzz import TARGETS

CORPUS, FOUND = Path(__file__).parent / "corpus", Path(__file__).parent / "found"


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        sys.exit(f"python -m fuzz TARGET [libFuzzer arguments], where TARGET is one of {', '.join(TARGETS)}")
    name, arguments = sys.argv[1], sys.argv[2:]
    with atheris.instrument_imports(include=["hubline"]):
        target = importlib.import_module(f"fuzz.{name}")
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
