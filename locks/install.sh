#!/bin/sh
# Makes .venv from a hashed lock, with the members installed in place: `install.sh run` for the packages that run the
# system, `install.sh dev` for the tests and tools too. Safe to repeat. When it has finished, it touches
# .venv/.ready-run, and for dev also .venv/.ready.
set -eu
cd "$(dirname "$0")/.."
set_of_packages=$1
python=${PYTHON:-python3}
say() {
    echo "setup: $*" >&2
}
fail() {
    say "$*"
    exit 1
}
owner() {
    stat -c %U "$1"
}

command -v "$python" >/dev/null ||
    fail "there is no program $python: install Python 3.11 or newer, or name one with PYTHON=..."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "$("$python" --version 2>&1) is too old: Python 3.11 or newer is needed (name one with PYTHON=...)"
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    fail "this Python has no venv module: install it (on Debian and Ubuntu: the package python3-venv)"
for folder in . .venv; do
    if [ -e "$folder" ] && ! [ -w "$folder" ]; then
        fail "$(realpath "$folder") belongs to $(owner "$folder") and cannot be written by you: use a clone of your own"
    fi
done

# pip and uv keep what they download in the user's cache, and work in the folder for temporary files.
cache=${XDG_CACHE_HOME:-${HOME:-/dev/null}/.cache}
if ! mkdir -p "$cache" 2>/dev/null || ! [ -w "$cache" ]; then
    say "the user's cache ($cache) cannot be written: downloads are kept in .cache of this checkout"
    export XDG_CACHE_HOME="$PWD/.cache"
fi
if [ -n "${TMPDIR:-}" ] && ! { [ -d "$TMPDIR" ] && [ -w "$TMPDIR" ]; }; then
    say "TMPDIR ($TMPDIR) is not a folder that can be written: using /tmp"
    unset TMPDIR
fi

rm -f .venv/.ready .venv/.ready-run
# A .venv contains the absolute path of its checkout: after a move or a copy it would run the code of the old folder.
if [ "$(cat .venv/.made-in 2>/dev/null)" != "$(pwd -P)" ] || ! [ -x .venv/bin/uv ] || ! .venv/bin/python -c '' 2>/dev/null
then
    say "making .venv"
    rm -rf .venv
    "$python" -m venv .venv || fail "$python could not make .venv"
    # A slow registry is asked again with more time; one that cannot be reached is not.
    install_uv() {
        .venv/bin/python -m pip install --quiet --log .venv/install.log --retries 0 --timeout "$1" \
            --disable-pip-version-check --require-hashes -r locks/bootstrap.txt >/dev/null 2>&1
    }
    unreachable() {
        grep -Eq 'ConnectTimeoutError|NewConnectionError|NameResolutionError|ProxyError' .venv/install.log
    }
    if ! install_uv 5 && { unreachable || ! install_uv 30; }; then
        fail "the package registry cannot be reached, or lacks a package (details: .venv/install.log)." \
            "Check the network, and the settings of pip: pip config list"
    fi
    pwd -P >.venv/.made-in
fi
say "installing the locked packages (the first time takes a minute)"
uv() {
    VIRTUAL_ENV="$PWD/.venv" UV_HTTP_RETRIES="${UV_HTTP_RETRIES:-2}" \
        UV_HTTP_CONNECT_TIMEOUT="${UV_HTTP_CONNECT_TIMEOUT:-5}" .venv/bin/uv pip "$@" --quiet --python .venv/bin/python \
        2>.venv/install.log ||
        fail "the package registry cannot be reached, or lacks a package (details: .venv/install.log)." \
            "Check the network, and the settings of uv: UV_INDEX_URL, HTTPS_PROXY"
}
uv sync --require-hashes "locks/$set_of_packages.txt" locks/bootstrap.txt
set --
for project in shared/pyproject.toml services/*/pyproject.toml local/pyproject.toml cli/pyproject.toml loadtest/pyproject.toml; do
    set -- "$@" -e "./${project%/pyproject.toml}"
done
uv install --no-deps "$@"
touch .venv/.ready-run
if [ "$set_of_packages" = dev ]; then touch .venv/.ready; fi
