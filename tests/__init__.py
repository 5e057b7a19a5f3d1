"""The tests, and a home of their own for what they run."""

import os
from pathlib import Path

# Before anything reads them: what a person keeps at home decides no test, and no test leaves anything there.
_HOME = Path(__file__).parents[1] / "build" / "tests"
_OURS = {
    **{f"XDG_{kind}_HOME": kind.lower() for kind in ("CACHE", "CONFIG", "DATA")},
    **{"HF_HOME": "huggingface", "NETRC": "netrc"},
}
os.environ.update({name: str(_HOME / place) for name, place in _OURS.items()})
for _name in {"MPLCONFIGDIR", "MATPLOTLIBRC"} | {name for name in os.environ if name.startswith("WANDB_")}:
    os.environ.pop(_name, None)
