"""Every metric's name and labels, once.

Labels come from closed sets: reason codes, catalogue and policy service ids, parse states. Never a
user, a host from the wire or a prompt. ``service_label`` folds what is not in the policy or the
catalogue into ``other``.

Processes share one folder (``PROMETHEUS_MULTIPROC_DIR``, set before this module is imported); the
supervisor serves the sum. A dead process's counters stay, its live gauges go.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_LATENCY = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

DECISIONS = Counter(
    "sekimori_decisions",
    "Requests decided, by verdict, deciding reason and service.",
    ["verdict", "reason", "service"],
)
EXCHANGES = Counter(
    "sekimori_exchanges",
    "Exchanges with AI services that ended, by service, how far they were read, and how they ended.",
    ["service", "parse", "state"],
)
BYTES = Counter(
    "sekimori_bytes",
    "Body bytes of AI exchanges, by service and direction (prompt or output).",
    ["service", "direction"],
)
DECISION_SECONDS = Histogram(
    "sekimori_decision_seconds",
    "Time from a complete request to its decision: wire reading, detection, decision.",
    buckets=_LATENCY,
)
DURABLE_SECONDS = Histogram(
    "sekimori_durable_wait_seconds",
    "Time an exchange waited for its record to be durable, by record (intent or outcome).",
    ["record"],
    buckets=_LATENCY,
)
SPOOL_BYTES = Gauge(
    "sekimori_spool_bytes",
    "Bytes on the spool that the archivist has not shipped yet.",
    multiprocess_mode="livemax",
)
SPOOL_DEPTH = Gauge(
    "sekimori_spool_queue_entries",
    "Entries that wait for the next sync of a worker's spool.",
    multiprocess_mode="livesum",
)
SPOOL_OLDEST = Gauge(
    "sekimori_spool_oldest_seconds",
    "Age of the oldest entry that the archivist has not shipped.",
    multiprocess_mode="livemax",
)
TUNNELS = Counter(
    "sekimori_tunnels",
    "Connections passed through unread, by kind: other, mixed, support or uncatalogued.",
    ["kind"],
)
TUNNEL_BYTES = Counter(
    "sekimori_tunnel_bytes",
    "Bytes passed through unread, by kind and direction (up or down).",
    ["kind", "direction"],
)
AUTHENTICATIONS = Counter(
    "sekimori_authentications",
    "Proxy authentications, by result.",
    ["result"],
)
POLICY_INFO = Gauge(
    "sekimori_policy_version",
    "The first 48 bits of the hash of the policy snapshot in force, as a number: changes when policy does.",
    multiprocess_mode="mostrecent",
)
POLICY_AGE = Gauge(
    "sekimori_policy_age_seconds",
    "Seconds since the policy snapshot in force was last confirmed.",
    multiprocess_mode="livemax",
)
POLICY_LOADS = Counter(
    "sekimori_policy_loads",
    "Policy snapshots that workers swapped in or refused.",
    ["result"],
)
STREAMS = Gauge(
    "sekimori_open_exchanges",
    "Exchanges with AI services in progress.",
    multiprocess_mode="livesum",
)
CUTS = Counter(
    "sekimori_cut_streams",
    "Streams and sockets cut while they ran, by reason.",
    ["reason"],
)
RESTARTS = Counter(
    "sekimori_child_restarts",
    "Child processes that died and were started again, by role.",
    ["role"],
)
CHILDREN = Gauge(
    "sekimori_children_up",
    "Child processes running, by role.",
    ["role"],
    multiprocess_mode="livesum",
)
ARCHIVED = Counter(
    "sekimori_archived_entries",
    "Spool entries that the archivist moved to the database, by kind (intent or outcome).",
    ["kind"],
)
ARCHIVIST_FAULTS = Counter(
    "sekimori_archivist_faults",
    "Spool faults that the archivist met, by kind.",
    ["kind"],
)
GATE_ERRORS = Counter(
    "sekimori_gate_errors",
    "Errors inside the gate that closed it for a request, by hook.",
    ["hook"],
)


def service_label(service: str | None, *, known: bool) -> str:
    """Fold a service id into the closed label set."""
    return service if service and known else "other"
