"""What fairseq needs of current Python, Hydra and torch, seen on stand-ins; in a process of its own, as it patches."""

import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).parents[1] / "src/models/fairseq_compat.py"
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
assert hydra.experimental.compose is hydra.compose

def loader(module):
    names = {{"__name__": module, "torch": torch}}
    exec("def load(path): return torch.load(path)", names)
    return names["load"]

torch.save(types.SimpleNamespace(a=1), sys.argv[1])
assert loader("fairseq.checkpoint_utils")(sys.argv[1]).a == 1
try:
    loader("fairseq_of_another")(sys.argv[1])
except Exception as error:
    assert "Weights only load failed" in str(error)
else:
    raise AssertionError("only fairseq itself may load objects")
"""


def test_only_fairseq_itself_gets_what_it_needs(tmp_path):
    """Defaults without a hash in its config classes, Hydra's functions at their old place, objects in checkpoints."""
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "checkpoint.pt")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
