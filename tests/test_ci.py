"""What `.ci/run` does about programs that this machine lacks: stand-ins for `id`, `apt-get` and `make` note it."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TOOLS = ("bash", "dirname", "realpath", "ls")


def ran(directory: Path, *, root: bool, programs: tuple[str, ...] = ()) -> tuple[str, str]:
    """Its output, and what the stand-ins have noted, on a machine that has only `programs`."""
    programs_of_the_machine = directory / "bin"
    programs_of_the_machine.mkdir()
    noted = directory / "noted"
    for name in TOOLS:
        (programs_of_the_machine / name).symlink_to(shutil.which(name) or name)
    stand_ins = {
        "id": f"echo {0 if root else 1000}",
        "apt-get": f'echo "apt-get $*" >> {noted}',
        "make": f'echo "make $1: HUBLINE_CI=$HUBLINE_CI, may lack $HUBLINE_CI_LACKS" >> {noted}',
        **dict.fromkeys(programs, "true"),
    }
    for name, line in stand_ins.items():
        program = programs_of_the_machine / name
        program.write_text(f"#!/usr/bin/env bash\n{line}\n")
        program.chmod(0o755)
    environment = {"PATH": str(programs_of_the_machine)}
    command = [str(programs_of_the_machine / "bash"), str(ROOT / ".ci" / "run")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return run.stdout, noted.read_text()


def test_root_installs_what_is_missing_and_nothing_may_be_lacking(tmp_path: Path) -> None:
    _, noted = ran(tmp_path, root=True)
    (install,) = [line for line in noted.splitlines() if "install" in line]
    assert {"chromium", "nodejs", "npm", "mono-mcs", "systemd"} <= set(install.split())
    assert "make test: HUBLINE_CI=1, may lack \n" in noted
    assert "make test-slow: HUBLINE_CI=1, may lack \n" in noted


def test_who_is_not_root_may_lack_only_what_only_root_could_install(tmp_path: Path) -> None:
    said, noted = ran(tmp_path, root=False, programs=("node", "npm", "mcs", "nginx", "initdb"))
    assert "make test: HUBLINE_CI=1, may lack browser systemd\n" in noted
    assert "make test-slow: HUBLINE_CI=1, may lack browser systemd\n" in noted
    assert "apt-get" not in noted
    assert "only root could install it: chromium fonts-dejavu-core systemd." in said


def test_without_node_nothing_can_be_built_for_a_browser(tmp_path: Path) -> None:
    _, noted = ran(tmp_path, root=False, programs=("chromium", "mcs", "systemd-analyze", "nginx", "initdb"))
    assert "make test: HUBLINE_CI=1, may lack interop interop browser\n" in noted


@pytest.mark.parametrize(("lacks", "wanted"), [("", True), ("nginx", True), ("interop browser", False)])
def test_the_page_is_tested_unless_node_may_be_lacking(lacks: str, wanted: bool) -> None:
    """`make test-web` insists on Node.js in CI, where it is not among what may be lacking."""
    environment = os.environ | {"HUBLINE_CI": "1", "HUBLINE_CI_LACKS": lacks}
    command = ["make", "--dry-run", "test-web", "NODE_OK=", "PAGE="]
    shown = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    assert ("exit 1" in shown) is wanted
