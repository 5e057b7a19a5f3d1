"""What a config may ask Hydra to call: names in modules of this package alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import composed
from composed.errors import ConfigError

TARGETS = ("composed.models.", "composed.datamodules.")


def targets(node: Any, path: str = "") -> Iterator[str]:
    """What the node asks Hydra to call, at any depth. Raises ConfigError for a name from outside this package."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        where = f"{path}.{key}" if path else str(key)
        if key == "_target_":
            if not _is_ours(value):
                raise ConfigError(f"{where}={value}: only names in modules below {' and '.join(TARGETS)} are built")
            yield value
        yield from targets(value, where)


def _is_ours(target: Any) -> bool:
    if not isinstance(target, str):
        return False
    package = Path(composed.__file__).parent
    module = package.joinpath(*target.split(".")[1:-1])
    return target.startswith(TARGETS) and module.with_suffix(".py").is_file()
