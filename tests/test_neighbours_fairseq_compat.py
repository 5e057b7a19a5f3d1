"""What fairseq needs of current Python, Hydra and torch, seen on stand-ins; in a process of its own, as it patches."""

import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).parents[1] / "src/neighbours/fairseq_compat.py"
SCRIPT = f"""
import runpy, sys, types
mend = runpy.run_path({str(FILE)!r})["mend"]
mend(); mend()
import dataclasses, hydra, hydra.experimental, torch

def run(module):
    names = {{"__name__": module, "dataclasses": dataclasses, "torch": torch}}
    sys.modules[module] = types.ModuleType(module)
    exec('''
@dataclasses.dataclass
class Part:
    size: int = 1

@dataclasses.dataclass
class Whole:
    part: Part = Part()
''', names)
    return names

run("fairseq.dataclass.configs")
try:
    run("other.configs")
except ValueError as error:
    assert "mutable default" in str(error)
else:
    raise AssertionError("only fairseq's classes may have such defaults")
assert hydra.experimental.initialize is hydra.initialize
"""


def test_fairseqs_config_classes_are_accepted_and_no_others():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
