"""`eval "$(composed-completion bash)"`, or zsh: completion of all commands, their groups, options, keys and flags.

Groups, options and keys are written into the script, flags are asked for when they are needed. Hydra is not loaded.
"""

import argparse
import sys

from composed.config.reference import completion_words

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
complete -o default -F _composed_overrides composed-train composed-table composed-check
complete -o default -F _composed_files composed-evaluate composed-report composed-predict composed-judge composed-doctor
complete -W 'bash zsh' composed-completion
"""
ZSH = "autoload -U +X compinit && compinit -u\nautoload -U +X bashcompinit && bashcompinit\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="composed-completion", description=__doc__.partition("\n")[0])
    parser.add_argument("shell", choices=("bash", "zsh"))
    shell = parser.parse_args(arguments).shell
    print((ZSH if shell == "zsh" else "") + SCRIPT.format(words="\n".join(completion_words())), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
