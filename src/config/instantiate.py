"""Where Hydra makes an object of a config's `_target_`: of this package alone, wherever the config comes from.

A config that lies in a run folder is as little to be trusted as the weights beside it.
"""

from importlib import import_module
from typing import Any

import hydra.utils

from composed.config.structure import plain
from composed.config.targets import targets
from composed.errors import ConfigError


def instantiate(options: Any, **settings: Any) -> Any:
    """As `hydra.utils.instantiate`, of the options of a group; lists and mappings in them become plain ones.

    Raises ConfigError for a target, at any depth, that the package does not define.
    """
    node = plain(options)
    for target in targets(node):  # refuses foreign names
        module, _, name = target.rpartition(".")
        if getattr(getattr(import_module(module), name, None), "__module__", None) != module:
            raise ConfigError(f"_target_={target}: there is no {name} of its own in {module}")
    return hydra.utils.instantiate(node, _convert_="all", **settings)
