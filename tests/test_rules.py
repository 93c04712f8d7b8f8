"""Rules for the whole repository: allowed imports, line limits, and lists that must agree."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest

from auth_api.openapi import DOCUMENT as AUTH_DOCUMENT
from order_api import openapi as order_openapi
from support.auth_api import AuthService, write_key
from support.order_api import OrderService

ROOT = Path(__file__).parents[1]
MEMBERS = ("shared", "services/*", "local", "cli", "loadtest")
SOURCES = sorted(path for member in MEMBERS for path in ROOT.glob(f"{member}/src/**/*.py"))
CONSOLE = sorted(ROOT.glob("cli/src/retail_cli/console/*.py"))
# Modules with business rules, which use no HTTP, database or broker.
DOMAIN = (
    "auth_api/accounts.py",
    "auth_api/throttle.py",
    "order_api/item_names.py",
    "order_api/models.py",
    "order_api/orders.py",
    "order_api/params.py",
    "order_api/responses.py",
    "order_processor/rules.py",
    "shared/ordering/document.py",
    "shared/ordering/status.py",
    "shared/ordering/events.py",
    "shared/ordering/outbox_entry.py",
    "shared/ordering/money.py",
    "shared/http/client_address.py",
    "shared/http/problem.py",
    "shared/http/strict_json.py",
    "shared/telemetry/trace_context.py",
    "shared/usernames.py",
)
WIRING = {"wsgi", "create_app", "main", "run"}
# The services' modules that may read environment variables; READS_ENVIRONMENT adds the other modules.
ENTRY_POINTS = {
    f"{path.parent.name}/{path.name}"
    for path in ROOT.glob("services/*/src/*/*.py")
    if path.name in {"app.py", "main.py"}
}
READS_ENVIRONMENT = ENTRY_POINTS | {
    "retail_cli/main.py",
    "shared/resilience/crash.py",
    "shared/http/gunicorn_conf.py",
}


def name(path: Path) -> str:
    """Return the path of a module, relative to its source folder."""
    return str(path).rpartition("/src/")[2]


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of everything that the file imports, at any place in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_rules_find_the_source_files() -> None:
    """If no source files were found, the other rules would pass without checking anything."""
    names = {name(path) for path in SOURCES}

    assert len(names) > 50
    assert set(DOMAIN) | READS_ENVIRONMENT <= names


@pytest.mark.parametrize("domain", DOMAIN)
def test_business_rules_import_only_stdlib_msgspec_and_each_other(domain: str) -> None:
    (path,) = [path for path in SOURCES if name(path) == domain]
    rules = {module.removesuffix(".py").replace("/", ".") for module in DOMAIN}
    foreign = {
        module
        for module in imports(path)
        if module.partition(".")[0] not in {*sys.stdlib_module_names, "msgspec"}
        and module not in rules
        and module.rpartition(".")[0] not in rules
    }

    assert foreign == set()


def test_only_shared_kafka_and_local_stack_import_confluent_kafka() -> None:
    """The local stack uses it to set up topics and rights."""
    users = {name(p) for p in SOURCES if any(m.partition(".")[0] == "confluent_kafka" for m in imports(p))}

    assert users == {"shared/kafka.py", "local_stack/kafka_admin.py"}


def test_only_one_module_of_the_services_imports_opentelemetry() -> None:
    """The local stack's bridge to Zipkin reads the format of the export."""
    users = {name(p) for p in SOURCES if any(m.partition(".")[0] == "opentelemetry" for m in imports(p))}

    assert users == {"shared/telemetry/otlp.py", "local_stack/otlp_bridge.py"}


def test_only_apis_shared_and_the_console_import_flask() -> None:
    users = {name(p) for p in SOURCES if any(m.partition(".")[0] == "flask" for m in imports(p))}

    assert {user.partition("/")[0] for user in users} == {"shared", "auth_api", "order_api", "retail_cli"}
    assert {user for user in users if user.startswith("retail_cli")} <= {name(path) for path in CONSOLE}


def test_no_service_imports_another() -> None:
    """The one exception: the load generator is a command of `retail`, so it imports `retail_cli`."""
    services = {"auth_api", "order_api", "order_processor", "local_stack", "retail_cli", "load_generator"}
    crossings = {
        (owner, other)
        for path in SOURCES
        if (owner := name(path).partition("/")[0])
        for other in {module.partition(".")[0] for module in imports(path)} & (services - {owner})
    }

    assert crossings <= {("load_generator", "retail_cli")}


def test_no_web_framework_is_imported_by_shared_ordering() -> None:
    users = {
        name(path)
        for path in SOURCES
        if name(path).startswith("shared/ordering/")
        and {module.partition(".")[0] for module in imports(path)} & {"flask", "werkzeug", "gunicorn"}
    }

    assert users == set()


def test_rest_of_shared_does_not_import_shared_ordering() -> None:
    users = {
        name(path)
        for path in SOURCES
        if name(path).startswith("shared/")
        and not name(path).startswith("shared/ordering/")
        and any(module.startswith("shared.ordering") for module in imports(path))
    }

    assert users == set()


def test_modules_have_no_import_cycle() -> None:
    """Modules that import none of the remaining ones are removed until none is left.

    A cycle would remain, together with the modules that import it.
    """
    modules = {name(path).removesuffix(".py").removesuffix("/__init__").replace("/", "."): path for path in SOURCES}
    graph = {
        module: {one for full in imports(path) for one in (full, full.rpartition(".")[0]) if one in modules} - {module}
        for module, path in modules.items()
    }
    while leaves := {module for module, needed in graph.items() if not needed}:
        graph = {module: needed - leaves for module, needed in graph.items() if module not in leaves}

    assert graph == {}


def test_only_listed_modules_read_the_environment() -> None:
    users = {name(p) for p in SOURCES if "os.environ" in p.read_text() or "getenv" in p.read_text()}

    assert {user for user in users if not user.startswith("local_stack/")} == READS_ENVIRONMENT


def test_no_module_of_tests_exceeds_the_line_limit() -> None:
    lengths = {path: path.read_text(encoding="utf-8").count("\n") for path in (ROOT / "tests").rglob("*.py")}

    assert [f"{path}: {lines}" for path, lines in lengths.items() if lines > 250] == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_modules_and_functions_stay_below_their_line_limits(path: Path) -> None:
    long = {f.name for f in functions(path) if (f.end_lineno or 0) - f.lineno >= 50}

    assert path.read_text(encoding="utf-8").count("\n") <= 250
    assert long <= WIRING


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_public_functions_take_urls_as_keyword_arguments(path: Path) -> None:
    """When a URL argument gets another meaning, it is renamed, and mypy reports every caller that was not changed."""
    by_position = {
        f"{function.name}({argument.arg})"
        for function in functions(path)
        if not function.name.startswith("_")
        for argument in (*function.args.posonlyargs, *function.args.args)
        if argument.arg.endswith("url")
    }

    assert by_position == set()


def routes(app: flask.Flask) -> Iterator[tuple[str, str, Any]]:
    """Yield path, method and view of every route; HEAD is left out."""
    for rule in app.url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD"}:
            yield rule.rule, method.lower(), app.view_functions[rule.endpoint]


@pytest.mark.parametrize("service", ["auth-api", "order-api", "order-api without tokens"])
def test_every_route_declares_the_authentication_that_openapi_documents(tmp_path: Path, service: str) -> None:
    if service == "auth-api":
        write_key(tmp_path, "a")
        app, document = AuthService(tmp_path).client.application, AUTH_DOCUMENT
    else:
        need = service == "order-api"
        app = OrderService(tmp_path, environ={"ORDERS_REQUIRE_TOKEN": str(need)}).client.application
        document = order_openapi.document(require_token=need, currencies=("USD",), version="1")
    schemes = {key: scheme["scheme"] for key, scheme in document["components"]["securitySchemes"].items()}
    seen = set()
    for path, method, view in routes(app):
        assert view.authentication in {"none", "basic", "bearer"}, f"{method} {path}"
        if described := document["paths"].get(path, {}).get(method):
            declared = [schemes[key] for need in described["security"] for key in need] or ["none"]
            assert declared == [view.authentication], f"{method} {path}"
            seen.add(path)
        else:
            assert re.fullmatch(r"(/api)?/(docs(/.*)?|openapi\.json)", path), f"{path} is described nowhere"

    assert seen == set(document["paths"])


@pytest.mark.parametrize("service", ["auth-api", "order-api"])
def test_every_operation_has_one_documented_tag(service: str) -> None:
    order_document = order_openapi.document(require_token=True, currencies=("USD",), version="1")
    document: dict[str, Any] = AUTH_DOCUMENT if service == "auth-api" else order_document
    used = [operation["tags"] for operations in document["paths"].values() for operation in operations.values()]

    assert {len(tags) for tags in used} == {1}
    assert {name for (name,) in used} == {tag["name"] for tag in document["tags"] if tag["description"]}
