"""SPoC: pseudocode that people wrote for programs of competitions, judged by test cases (Kulal et al. 2019)."""

from composed.datamodules.spoc.splits import files, load

__all__ = ["files", "load"]
