"""`eval "$(composed-completion bash)"`, or zsh: completion of all commands, their groups, options, keys and flags.

Groups, options and keys are written into the script, flags are asked for when they are needed. Hydra is not loaded.
"""

import argparse
import sys
from collections.abc import Iterator
from typing import Any

import yaml

from composed.config.command_line import CONF, GROUPS, options

SCRIPT = """\
_composed_words='{words}'
_composed() {{
    local cur="${{COMP_LINE:0:$COMP_POINT}}" found= key= before=
    cur="${{cur##* }}"
    case "$cur" in
        -*) found="$("$1" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]+' | sort -u)" ;;
        *) [ "$2" = files ] || found="$_composed_words" ;;
    esac
    case "$cur" in *=*,*) key="${{cur%%=*}}=" before="${{cur%,*}}," ;; esac  # a=x,y<TAB>: further values of a sweep
    COMPREPLY=($(printf '%s\\n' "$found" | awk -v cur="$cur" -v key="$key" -v before="$before" '
        key != "" {{ if (index($0, key) != 1) next; $0 = before substr($0, length(key) + 1) }}
        index($0, cur) == 1'))
    if [ "${{#COMPREPLY[@]}}" = 1 ] && type compopt >/dev/null 2>&1; then
        case "${{COMPREPLY[*]}}" in *=) compopt -o nospace 2>/dev/null ;; esac
    fi
    case "$COMP_WORDBREAKS:$cur" in  # bash takes what stands before the last = for a word of its own
        *=*:*=*) COMPREPLY=("${{COMPREPLY[@]#"${{cur%%=*}}="}}") ;;
    esac
}}
_composed_overrides() {{ _composed "$1" overrides; }}
_composed_files() {{ _composed "$1" files; }}
complete -o default -F _composed_overrides composed-train composed-table
complete -o default -F _composed_files composed-evaluate composed-report composed-predict composed-judge composed-doctor
complete -W 'bash zsh' composed-completion
"""
ZSH = "autoload -U +X compinit && compinit -u\nautoload -U +X bashcompinit && bashcompinit\n"


def words() -> list[str]:
    """What can stand on the command line: GROUP=OPTION, and KEY= for every key that some file of conf/ gives."""
    found = {f"{group}={option}" for group in GROUPS for option in options(group)}
    for path in {*CONF.rglob("*.yaml")} - {CONF / "compare.yaml"}:  # which is of reports
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
        group = (
            "" if path.parent == CONF or path.read_text("utf-8").startswith("# @package _global_") else path.parent.name
        )
        found.update(f"{key}=" for key in _keys(entries, group))
    return sorted(found)


def _keys(node: Any, prefix: str) -> Iterator[str]:
    if not isinstance(node, dict):
        yield prefix
        return
    for key, child in node.items():
        if key not in ("defaults", "hydra", "_target_", "_partial_", "_convert_") and isinstance(key, str):
            yield from _keys(child, f"{prefix}.{key}".lstrip("."))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-completion", description=__doc__.partition("\n")[0])
    parser.add_argument("shell", choices=("bash", "zsh"))
    shell = parser.parse_args(arguments).shell
    print((ZSH if shell == "zsh" else "") + SCRIPT.format(words="\n".join(words())), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
