"""Parts of a model as people name them: `decoder`, `encoder.0.`, and `decoder.-1.` for the decoder's last layer."""

import re
from collections.abc import Collection, Iterable

from composed.errors import ConfigError

FROM_THE_END = re.compile(r"([\w.]+)\.-(\d+)(?=\.|$)")


def full_name(part: str, names: Iterable[str]) -> str:
    """The part with a place that is counted from the end, as in `decoder.-1.`, told from the start; `names`: of the
    model's parameters. As it is where no list of layers is so long.
    """
    place = FROM_THE_END.match(part)
    if place is None:
        return part
    layers = re.compile(rf"(?:^|.*\.){re.escape(place[1])}\.(\d+)\.")
    places = {int(match[1]) for match in map(layers.match, names) if match}
    index = len(places) - int(place[2])
    return f"{place[1]}.{index}{part[place.end() :]}" if index in places else part


def having(part: str, names: Collection[str], key: str) -> list[str]:
    """The names that a part is in. Raises ConfigError, of the config's `key`, where there are none."""
    whole = full_name(part, names)
    if found := [name for name in names if whole in name]:
        return found
    words = sorted({word for name in names for word in name.split(".") if not word.isdigit()})
    raise ConfigError(f"{key}: no parameter of this model has {part!r} in its name; its parts are {', '.join(words)}")
