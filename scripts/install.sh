#!/bin/sh
# Installs the locked versions of requirements/ into .venv. `install.sh run`: what the commands need; `install.sh dev`: what
# tests, checks, docs and the optional parts need, too; `install.sh machine` only says what this machine lacks. What goes
# wrong is said in one message, and the same command again goes on. PYTHON names the interpreter that .venv is made with.
set -u
cd "$(dirname "$0")/.."
bin=.venv/bin
log=.venv/install.log

recent() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

works() {
    recent $bin/python && $bin/python -m pip --version >/dev/null 2>&1
}

# The Python to make .venv with: the named one, else the first on the path that is recent enough.
choose() {
    for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14}; do
        recent "$python" && return
    done
    return 1
}

machine() {
    lacking=
    if ! works; then
        if ! choose; then
            lacking="$lacking
  Python 3.11 or newer, and ${PYTHON:-python3} is $("${PYTHON:-python3}" --version 2>&1 || true):
      Debian, Ubuntu: apt-get install python3.11 python3.11-venv    Fedora: dnf install python3.11
      or name one that is elsewhere: make PYTHON=/path/to/python3.11"
        elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
            lacking="$lacking
  Python's venv, which $python lacks:
      Debian, Ubuntu: apt-get install python$version-venv"
        fi
    fi
    command -v g++ >/dev/null || lacking="$lacking
  a C++ compiler:
      Debian, Ubuntu: apt-get install g++    Fedora: dnf install gcc-c++"
    test -z "$lacking" || fail "This machine lacks:$lacking
Then give the same command again."
}

fail() {
    echo "$1" >&2
    exit 1
}

pip() {
    $bin/python -m pip --disable-pip-version-check install --quiet --progress-bar off --retries 2 "$@" 2>$log || because
}

# What pip says in many lines, in few.
because() {
    if grep -qE 'Connection(Error| refused|Reset)|NewConnection|Failed to establish|Name or service|name resolution|timed out|ProxyError|SSLError' $log; then
        fail "The packages cannot be fetched, as no package index answers; what has been installed stays. Connect this machine, or
name a proxy (export HTTPS_PROXY=...) or a mirror (export PIP_INDEX_URL=...). Then give the same command again: it goes on."
    elif grep -qiE 'no space left|disk quota' $log; then
        fail "The disk is full: $(df -h . | awk 'END {print $4}') are free, and .venv needs 2 GB, with PyTorch for CUDA 8. Make room, then give the same
command again: it goes on."
    fi
    fail "$(grep -vE '^ *$|WARNING' $log | tail -n 6)
The packages of requirements/ cannot be installed into .venv: what pip said stands above and in $log. The same command
again goes on; without .venv (make clean) it begins anew."
}

machine
test "$1" != machine || exit 0

if ! works; then
    said=$("$python" -m venv --clear .venv 2>&1) && works || fail "$said
$python cannot make .venv in $(pwd): see above. Then give the same command again."
fi
echo "installing what $([ "$1" = dev ] && echo "tests and checks" || echo "the commands") need into .venv; the first time this takes minutes"
# All files have to have the locked hashes, but for PyTorch: which build of its version fits is for this machine to say.
case $1 in
run)
    pip --require-hashes --no-deps -r requirements/build.txt
    pip --require-hashes --no-deps --no-build-isolation --use-pep517 -r requirements/run.txt
    pip -r requirements/torch.txt
    pip --no-deps --no-build-isolation --editable .
    ;;
dev)
    pip --require-hashes --no-deps --no-build-isolation --use-pep517 -r requirements/dev.txt
    ;;
esac
