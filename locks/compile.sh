#!/bin/sh
# Compiles every lock: hashes and versions, no index addresses. With --check, fails if a lock is out of date.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
out=locks
if [ "${1:-}" = --check ]; then
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
    cp locks/*.txt "$out"
fi
compile() { # name, inputs...
    name=$1
    shift
    # The oldest Python is named only here. In pyproject.toml, `uv pip sync` would choose wheels for it.
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
        --no-emit-package retail-orders-shared --no-emit-package retail-orders-cli \
        --output-file "$out/$name.txt" "$@"
}
compile bootstrap locks/bootstrap.in
compile dev locks/dev.in shared/pyproject.toml services/*/pyproject.toml local/pyproject.toml cli/pyproject.toml loadtest/pyproject.toml --extra kafka --extra tracing --extra web
compile run services/*/pyproject.toml local/pyproject.toml cli/pyproject.toml loadtest/pyproject.toml --constraint "$out/dev.txt"
compile bench locks/bench.in --constraint "$out/dev.txt"
compile clients locks/clients.in
for project in services/*/pyproject.toml; do
    compile "$(basename "$(dirname "$project")")" "$project" --constraint "$out/dev.txt"
done
compile operator cli/pyproject.toml --constraint "$out/dev.txt"
if [ "$out" != locks ]; then
    for lock in locks/*.txt; do
        cmp -s "$lock" "$out/$(basename "$lock")" || { echo "$lock is out of date: run 'make lock'" >&2; exit 1; }
    done
fi
