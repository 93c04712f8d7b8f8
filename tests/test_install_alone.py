"""Each service and the operator's command can be installed and imported with only the packages of its lock file."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UV = ROOT / ".venv/bin/uv"
SERVICES = {
    "order-api": (
        "order_api",
        ["order_api.app", "order_api.__main__"],
        ["auth_api", "order_processor", "argon2", "local_stack"],
    ),
    "auth-api": (
        "auth_api",
        ["auth_api.app", "auth_api.__main__"],
        ["order_api", "order_processor", "confluent_kafka", "local_stack"],
    ),
    "order-processor": (
        "order_processor",
        ["order_processor.main"],
        ["order_api", "auth_api", "flask", "jwt", "argon2", "retail_cli", "typer", "rich"],
    ),
    "operator": (
        "retail_cli",
        ["retail_cli.main", "retail_cli.console.app"],
        ["order_api", "auth_api", "order_processor", "load_generator", "jwt", "argon2", "aiohttp", "httpx"],
    ),
}
FOLDERS = {"operator": "cli"}
CHECK = """
import importlib, importlib.util, sys
for module in sys.argv[1].split(","):
    importlib.import_module(module)
found = [name for name in sys.argv[2].split(",") if importlib.util.find_spec(name)]
sys.exit(f"also installed: {found}" if found else 0)
"""


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
def test_service_can_be_imported_with_only_the_packages_of_its_lock(tmp_path: Path, service: str) -> None:
    package, needed, absent = SERVICES[service]
    python = tmp_path / "venv/bin/python"
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv")
    install = (UV, "pip", "install", "--quiet", "--python", python)
    run(*install, "--require-hashes", "--requirement", ROOT / f"locks/{service}.txt")
    run(*install, "--no-deps", ROOT / "shared", ROOT / FOLDERS.get(service, f"services/{service}"))

    run(python, "-I", "-c", CHECK, ",".join(needed), ",".join(absent))
    assert (tmp_path / f"venv/lib/{_version()}/site-packages/{package}").is_dir()


def _version() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"
