#!/bin/sh
# Makes .venv from the hashed locks, with the members installed in place. Safe to repeat; .venv/.ready is its last act.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
say() {
    echo "setup: $*" >&2
}
command -v "$python" >/dev/null || { say "Python 3.11 or newer is missing: install it, or name one with PYTHON=..."; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    { say "$("$python" --version) is too old: Python 3.11 or newer is needed (name one with PYTHON=...)"; exit 1; }
"$python" -c 'import ensurepip, venv' 2>/dev/null ||
    { say "this Python has no venv module: install it (on Debian and Ubuntu: the package python3-venv)"; exit 1; }
rm -f .venv/.ready
if ! [ -x .venv/bin/uv ] || ! .venv/bin/python -c '' 2>/dev/null; then
    say "making .venv"
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r locks/bootstrap.txt
fi
say "installing the locked packages (the first time takes a few minutes)"
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip sync --quiet --require-hashes --python .venv/bin/python locks/dev.txt locks/bootstrap.txt
VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install --quiet --no-deps --python .venv/bin/python \
    -e ./shared -e ./services/order-api -e ./services/auth-api -e ./services/order-processor -e ./local -e ./cli
touch .venv/.ready
