"""The board of routes, replicas and processes."""

from observability.boards.queries import rate
from observability.builder import Board, Panel

SERVICES = Board(
    name="services",
    title="Services",
    description="Requests, errors and durations of each route and replica; what is saturated, and the processes.",
    rows=[
        (
            "Requests",
            [
                Panel(
                    title="Requests per second by route",
                    description="Of both APIs.",
                    queries={"{{method}} {{route}}": rate("retail_http_requests_total", "method, route")},
                    unit="reqps",
                ),
                Panel(
                    title="Failed requests by route",
                    description="Share of the requests that were answered with 5xx.",
                    queries={
                        "{{route}}": rate("retail_http_requests_total", "route", ', status=~"5.."')
                        + " / "
                        + rate("retail_http_requests_total", "route")
                        + " or 0 * "
                        + rate("retail_http_requests_total", "route")
                    },
                    unit="percentunit",
                    runbook="buyers-get-errors",
                ),
                Panel(
                    title="Time by route, 95th percentile",
                    description="Without the reads that clients ask to be held (wait=SECONDS).",
                    queries={
                        "{{route}}": "histogram_quantile(0.95, "
                        + rate("retail_http_request_duration_seconds_bucket", "le, route")
                        + ")"
                    },
                    unit="s",
                ),
                Panel(
                    title="Requests per second by replica",
                    description="Replicas of one service should be alike.",
                    queries={"{{pod}}": rate("retail_http_requests_total", "pod")},
                    unit="reqps",
                ),
                Panel(
                    title="Failed requests by replica",
                    description="Requests per second that were answered with 5xx.",
                    queries={
                        "{{pod}}": rate("retail_http_requests_total", "pod", ', status=~"5.."')
                        + " or 0 * "
                        + rate("retail_http_requests_total", "pod")
                    },
                    unit="reqps",
                ),
                Panel(
                    title="Responses of the proxy itself, by status",
                    description="They reach no service: limits (429), bad requests, an API that does not answer (503),"
                    " the shop page (200, 304).",
                    queries={"{{status}}": rate("retail_proxy_responses_total", "status")},
                    unit="reqps",
                    runbook="buyers-get-errors",
                ),
                Panel(
                    title="Logins by result",
                    description="busy and unavailable are auth-api's own failures; the others are the clients'.",
                    queries={"{{result}}": rate("retail_logins_total", "result")},
                    unit="ops",
                    runbook="nobody-can-log-in",
                ),
            ],
        ),
        (
            "Saturation and processes",
            [
                Panel(
                    title="Saturation",
                    description="Share of threads, places and queues in use; the highest of the replicas.",
                    queries={
                        "{{resource}}": "max by (job, resource) "
                        "(retail_resource_in_use{OURS} / (retail_resource_limit{OURS} > 0))"
                    },
                    unit="percentunit",
                    limits=(0.7, 0.9),
                    runbook="resource-saturated",
                ),
                Panel(
                    title="CPU",
                    description="Cores in use.",
                    queries={"{{pod}}": rate("process_cpu_seconds_total", "pod")},
                    unit="short",
                ),
                Panel(
                    title="Memory",
                    description="Resident memory.",
                    queries={"{{pod}}": "sum by (pod) (process_resident_memory_bytes{OURS})"},
                    unit="bytes",
                ),
                Panel(
                    title="Open files",
                    description="File descriptors, connections included.",
                    queries={"{{pod}}": "sum by (pod) (process_open_fds{OURS})"},
                    unit="short",
                ),
                Panel(
                    title="Uptime",
                    description="Since the process started; a saw tooth is a replica that restarts again and again.",
                    queries={"{{pod}}": "time() - max by (pod) (process_start_time_seconds{OURS})"},
                    unit="s",
                    runbook="no-replica-answers",
                ),
                Panel(
                    title="Replicas",
                    description="Version of each, and whether it answers Prometheus.",
                    queries={"replica": "max by (pod, service, version) (retail_build_info{OURS})"},
                    unit="short",
                    kind="table",
                ),
                Panel(
                    title="Certificates expire in",
                    description="Of the authorities that the services rely on; negative if expired or unreadable.",
                    queries={"expiry": "min by (name) (retail_certificate_expiry_timestamp_seconds{OURS}) - time()"},
                    unit="s",
                    kind="table",
                    limits=(604800, 0),
                    runbook="certificate-expiring-soon",
                ),
            ],
        ),
    ],
)
