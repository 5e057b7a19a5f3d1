"""Lets fairseq 0.12.2, written for Python 3.8 and Hydra 1.0, be imported beside what is current; call `mend` first.

Only what fairseq itself does is changed. Knows nothing of the rest of this package: a peer's environment, which has
fairseq and not us, runs this file as it is. Left out: fairseq's command lines, its examples, CUDA extensions.
"""

import copy
import dataclasses
import importlib
import logging
import sys
import warnings
from functools import wraps
from types import ModuleType
from typing import Any


def mend() -> None:
    """Patches dataclasses, Hydra and torch.load for fairseq's modules; calling it again changes nothing."""
    if "fairseq" in sys.modules or getattr(dataclasses.dataclass, "mended", False):
        return
    _hashable_defaults()
    _stable_hydra()
    _trusting_load()


def transformers() -> ModuleType:
    """`fairseq.models.transformer`, for its classes alone. Raises ModuleNotFoundError where fairseq is not installed.

    Its import leaves a `config.yaml` and whole groups in Hydra's store, which the next config of anybody's would be
    merged with, and a handler that writes to standard error all that anybody logs: both are taken back. What it logs
    on its way is about parts that are not used.
    """
    mend()
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    configs, handlers, level = copy.deepcopy(store.repo), list(logging.root.handlers), logging.root.level
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            return importlib.import_module("fairseq.models.transformer")
    finally:
        store.repo = configs
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
        logging.disable(disabled)


def _hashable_defaults() -> None:
    """ValueError: mutable default <class 'fairseq.dataclass.configs.CommonConfig'> for field common is not allowed.

    Python 3.11 refuses defaults without a hash. fairseq's config classes have such defaults and never change them:
    they get the hash of their identity.
    """
    original = dataclasses.dataclass

    @wraps(original)
    def dataclass(cls: Any = None, /, **settings: Any) -> Any:
        def decorate(cls: Any) -> Any:
            made = original(**settings)(cls)
            if made.__hash__ is None and cls.__module__.split(".")[0] == "fairseq":
                made.__hash__ = object.__hash__
            return made

        return decorate if cls is None else decorate(cls)

    vars(dataclass)["mended"] = True
    vars(dataclasses)["dataclass"] = dataclass


def _stable_hydra() -> None:
    """ImportError: hydra.experimental.initialize() is no longer experimental. Use hydra.initialize()."""
    import hydra
    import hydra.experimental

    vars(hydra.experimental).update(compose=hydra.compose, initialize=hydra.initialize)


def _trusting_load() -> None:
    """UnpicklingError: Weights only load failed. fairseq's checkpoints hold its config as objects.

    Only for calls from fairseq's own modules, and so only for files that its user trusts.
    """
    import torch

    original = torch.load

    @wraps(original)
    def load(*arguments: Any, **settings: Any) -> Any:
        if sys._getframe(1).f_globals.get("__name__", "").split(".")[0] == "fairseq":
            settings.setdefault("weights_only", False)
        return original(*arguments, **settings)

    vars(torch)["load"] = load
