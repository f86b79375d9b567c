"""The dashboard of the service: rate, errors and duration of requests, events, and what waits."""

from deploy.dashboards.panels import Dashboard, Kind, Panel, Query, Row, Unit
from deploy.dashboards.queries import quantile, rate

SERVICE = Dashboard(
    "dropoff-service",
    "dropoff: service",
    "Is it up, is it fast, does it fail, and what waits: rate, errors and duration of every route.",
    (
        Row(
            "At a glance",
            (
                Panel(
                    "Processes that answer",
                    "Replicas that Prometheus reaches, each with all of its workers.",
                    (Query('sum(up{job="$job"})'),),
                    kind=Kind.NUMBER,
                    width=4,
                    height=4,
                ),
                Panel(
                    "Requests",
                    "All that is answered, whatever it is.",
                    (Query(rate("dropoff_requests_total")),),
                    Unit.PER_SECOND,
                    Kind.NUMBER,
                    4,
                    4,
                ),
                Panel(
                    "Failed",
                    "Share of the requests that are answered with 5xx; promised is less than .1 %.",
                    (
                        Query(
                            'sum(rate(dropoff_requests_total{status=~"5.."}[$__rate_interval]))'
                            " / sum(rate(dropoff_requests_total[$__rate_interval]))"
                        ),
                    ),
                    Unit.SHARE,
                    Kind.NUMBER,
                    4,
                    4,
                ),
                Panel(
                    "Recommendation, 99 %",
                    "Of a hundred recommendations 99 take no longer.",
                    (Query(quantile(0.99, 'dropoff_request_seconds_bucket{route="/v1/recommend"}')),),
                    Unit.SECONDS,
                    Kind.NUMBER,
                    4,
                    4,
                ),
                Panel(
                    "Open sessions",
                    "Sessions in memory that an event could still join; one that two processes know counts twice.",
                    (Query("sum(dropoff_sessions_open)"),),
                    kind=Kind.NUMBER,
                    width=4,
                    height=4,
                ),
                Panel(
                    "Model",
                    "The version that answers; several while processes take up a new one.",
                    (Query("count by (version) (dropoff_model == 1)", "{{version}}"),),
                    Unit.TEXT,
                    Kind.NUMBER,
                    4,
                    4,
                ),
            ),
        ),
        Row(
            "Requests",
            (
                Panel(
                    "Rate by route",
                    "A second. `unserved` are addresses that there are none of; `refused` never got to a route.",
                    (Query(rate("dropoff_requests_total", "route"), "{{route}}"),),
                    Unit.PER_SECOND,
                ),
                Panel(
                    "Errors by status",
                    "Answers of 4xx, which are the clients' mistakes, and of 5xx, which are ours.",
                    (Query(rate('dropoff_requests_total{status=~"[45].."}', "status"), "{{status}}"),),
                    Unit.PER_SECOND,
                ),
                Panel(
                    "Failures by route",
                    "Share of a route's requests that are answered with 5xx.",
                    (
                        Query(
                            'sum by (route) (rate(dropoff_requests_total{status=~"5.."}[$__rate_interval]))'
                            " / (sum by (route) (rate(dropoff_requests_total[$__rate_interval])) > 0)",
                            "{{route}}",
                        ),
                    ),
                    Unit.SHARE,
                ),
                Panel(
                    "Duration by route, 99 %",
                    "Of a hundred requests 99 take no longer, from the first byte in to the last byte out.",
                    (Query(quantile(0.99, "dropoff_request_seconds_bucket", "route"), "{{route}}"),),
                    Unit.SECONDS,
                ),
                Panel(
                    "Duration of a recommendation",
                    "How many of the recommendations took how long.",
                    (
                        Query(
                            "sum by (le) (increase("
                            'dropoff_request_seconds_bucket{route="/v1/recommend"}[$__rate_interval]))',
                            "{{le}}",
                        ),
                    ),
                    Unit.SECONDS,
                    Kind.GRID,
                ),
                Panel(
                    "In flight",
                    "Requests that are being answered.",
                    (Query("sum by (instance) (dropoff_requests_in_flight)", "{{instance}}"),),
                ),
            ),
        ),
        Row(
            "Events",
            (
                Panel(
                    "Events received",
                    "New ones; duplicates, which count once; those that cannot be used; those without a consent.",
                    (Query(rate("dropoff_events_total", "kind"), "{{kind}}"),),
                    Unit.PER_SECOND,
                    stacked=True,
                ),
                Panel(
                    "Names that nobody declared",
                    "New events of such names; `dropoff doctor` lists them.",
                    (Query(rate("dropoff_unknown_events_total")),),
                    Unit.PER_SECOND,
                ),
                Panel(
                    "Where visitors were read",
                    "Visitors asked of Redis: there, not there, or read from the log again. Zero without Redis.",
                    (Query(rate("dropoff_session_reads_total", "found"), "{{found}}"),),
                    Unit.PER_SECOND,
                ),
            ),
        ),
        Row(
            "What waits, and what it takes",
            (
                Panel(
                    "Writes that wait",
                    "Events and other writes that wait for their commit. At 100,000 the answer is 503.",
                    (Query("sum by (instance) (dropoff_writer_waiting)", "{{instance}}"),),
                ),
                Panel(
                    "Commit, 99 %",
                    "The longest wait for a commit, and the transaction itself; and the age of what waits now.",
                    (
                        Query(quantile(0.99, "dropoff_commit_seconds_bucket", "part"), "{{part}}"),
                        Query("max(dropoff_writer_oldest_seconds)", "oldest now"),
                    ),
                    Unit.SECONDS,
                ),
                Panel(
                    "Writes in a commit",
                    "How many writes share a transaction: more where more comes at once.",
                    (
                        Query(
                            "sum(rate(dropoff_writes_total[$__rate_interval]))"
                            ' / sum(rate(dropoff_commit_seconds_count{part="write"}[$__rate_interval]))',
                            "writes",
                        ),
                    ),
                ),
                Panel(
                    "How late the loop is, 99 %",
                    "Whatever a process does waits so long for its turn: the first sign that a core is full.",
                    (Query(quantile(0.99, "dropoff_loop_lag_seconds_bucket", "instance"), "{{instance}}"),),
                    Unit.SECONDS,
                ),
                Panel(
                    "Cores",
                    "Seconds of a core that a process takes a second.",
                    (
                        Query(
                            "sum by (instance) (rate(dropoff_process_cpu_seconds[$__rate_interval]))",
                            "{{instance}}",
                        ),
                    ),
                ),
                Panel(
                    "Memory",
                    "What processes hold, and what of it the visitors in memory take.",
                    (
                        Query("sum by (instance) (dropoff_process_resident_bytes)", "{{instance}}"),
                        Query("sum by (instance) (dropoff_memory_bytes)", "{{instance}} visitors"),
                    ),
                    Unit.BYTES,
                ),
            ),
        ),
    ),
)
