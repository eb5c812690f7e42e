"""ruff, lint and format, over the whole tree."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("arguments", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_ruff_has_nothing_to_say(arguments):
    ruff = subprocess.run([sys.executable, "-m", "ruff", *arguments, ROOT], capture_output=True, text=True)
    assert ruff.returncode == 0, ruff.stdout
