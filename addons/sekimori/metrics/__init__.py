"""Every metric's name and labels, once.

Labels come from closed sets: reason codes, catalogue and policy service ids, wire dialects, parse states.
Never a user, a host from the wire or a prompt. ``service_label`` folds what is not in the policy or the
catalogue into ``other``.

Processes share one folder (``PROMETHEUS_MULTIPROC_DIR``, set before this module is imported); the
supervisor serves the sum. A dead process's counters stay, its live gauges go.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from typing import Final

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client import values as _values

from sekimori.policy.reasons import Reason
from sekimori.wire.dialects import DIALECTS
from sekimori.wire.sockets import SOCKETS

_PROCESS: Final = os.getpid()
if "PROMETHEUS_MULTIPROC_DIR" in os.environ or "prometheus_multiproc_dir" in os.environ:
    # The library's own way of naming a process; asked for at each increment, which getpid(2) makes dear. No
    # process of ours forks once it counts.
    _values.ValueClass = _values.MultiProcessValue(process_identifier=lambda: _PROCESS)  # type: ignore[no-untyped-call]

VERDICTS: Final = ("allow", "deny", "hold")
REASONS: Final = ("", *(reason.value for reason in Reason))
DIALECT_NAMES: Final = ("none", *dict.fromkeys([*(d.name for d in DIALECTS), *(s.name for s in SOCKETS)]))
PARSES: Final = ("parsed", "partial", "unparsed")
STATES: Final = ("complete", "partial", "blocked", "failed", "unknown-crash")
TUNNEL_KINDS: Final = ("mixed", "support", "uncatalogued")
CUT_REASONS: Final = tuple(
    reason.value for reason in (Reason.PLAN_EXPIRED, Reason.USER_OUT_OF_SCOPE, Reason.SUSPENDED)
)
# Refusals that no request can help: Sekimori itself is at fault.
OWN_FAULTS: Final = tuple(
    reason.value
    for reason in (
        Reason.AUDIT_UNAVAILABLE,
        Reason.POLICY_UNAVAILABLE,
        Reason.IDENTITY_UNAVAILABLE,
        Reason.CLOCK,
        Reason.OVERLOADED,
        Reason.GATE_ERROR,
    )
)
ROLES: Final = ("gate", "archivist", "publisher", "console", "governor")

_LATENCY = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

DECISIONS = Counter(
    "sekimori_decisions",
    "Requests decided, by verdict, deciding reason and service.",
    ["verdict", "reason", "service"],
)
EXCHANGES = Counter(
    "sekimori_exchanges",
    "Exchanges with AI services that ended, by service, wire dialect (none: no reader knew it), how far "
    "they were read, and how they ended.",
    ["service", "dialect", "parse", "state"],
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
SPOOL_HIGH_WATER = Gauge(
    "sekimori_spool_high_water_bytes",
    "Bytes on the spool at which AI traffic is refused (spool.high_water).",
    multiprocess_mode="livemax",
)
SPOOL_OLDEST = Gauge(
    "sekimori_spool_oldest_seconds",
    "For how long entries have waited for the archivist without any of their lane being shipped.",
    multiprocess_mode="livemax",
)
TUNNELS = Counter(
    "sekimori_tunnels",
    "Connections passed through unread, by kind: mixed, support or uncatalogued.",
    ["kind"],
)
TUNNEL_BYTES = Counter(
    "sekimori_tunnel_bytes",
    "Bytes passed through unread, by kind and direction (up or down).",
    ["kind", "direction"],
)
AUTHENTICATIONS = Counter(
    "sekimori_authentications",
    "Proxy credentials presented, by result: absent (unreadable) or refused (for whatever reason); "
    "of the passwords that were verified and not remembered: verified or wrong. An agent's key that was good: "
    "key; a certificate's or a parent proxy's word that was taken: vouched, a stranger's header: ignored; "
    "unavailable: the directory did not answer.",
    ["result"],
)
DIRECTORY_ERRORS = Counter(
    "sekimori_directory_errors",
    "Questions that the directory did not answer; while it does not, its people are refused.",
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
    "What the archivist moved to the database: each entry, and each unknown-crash that it had to add itself.",
    ["kind"],
)
ARCHIVIST_FAULTS = Counter(
    "sekimori_archivist_faults",
    "Faults that the archivist met: torn (bytes of a crash), busy (the database refused), "
    "alarm (evidence is not what it must be), shared-key (a person, class and month of a lane that may draw no "
    "more data keys).",
    ["kind"],
)
CHECKPOINT_AGE = Gauge(
    "sekimori_ledger_checkpoint_age_seconds",
    "How old the super-log's newest checkpoint is; it is renewed at least every minute.",
    multiprocess_mode="livemax",
)
LEAVES_WAITING = Gauge(
    "sekimori_ledger_leaves_waiting",
    "Stored entries that no checkpoint covers yet.",
    multiprocess_mode="livemax",
)
LEDGER_TREES = Gauge(
    "sekimori_ledger_trees",
    "Trees that grow on this machine; none while a memory outside contradicts them.",
    multiprocess_mode="livemax",
)
WITNESS_ANSWERS = Counter(
    "sekimori_ledger_witness_answers",
    "Answers of witnesses to the super-log's checkpoints: cosigned, refused, unreachable, or conflict "
    "(it remembers another or a longer log).",
    ["result"],
)
UNWITNESSED = Gauge(
    "sekimori_ledger_unwitnessed_seconds",
    "For how long no published checkpoint has had its witnesses; 0 where none is configured.",
    multiprocess_mode="livemax",
)
UNWITNESSED_LIMIT = Gauge(
    "sekimori_ledger_unwitnessed_limit_seconds",
    "After how long without witnesses AI traffic is refused (ledger.unwitnessed_limit); "
    "0 where none is configured.",
    multiprocess_mode="livemax",
)
OUTSIDE_FAULTS = Counter(
    "sekimori_ledger_outside_faults",
    "Checkpoints that could not be carried elsewhere, by kind: witness (a published checkpoint doesn't "
    "hold), timestamp or worm.",
    ["kind"],
)
GOVERNING_CALLS = Counter(
    "sekimori_governing_calls",
    "Requests that the web server handed to the governing process, by result: answered; refused with 503 since it "
    "was absent (nobody listens), silent (no answer in time), busy (too many wait), broken (no whole answer) or a "
    "stranger (another user listens).",
    ["result"],
)
GATE_ERRORS = Counter(
    "sekimori_gate_errors",
    "Errors inside the gate that closed it for a request, by hook; "
    "record: a refusal that could not be written down.",
    ["hook"],
)

# Which values a label may have. ``service`` (of the policy or the catalogue) and ``hook`` (of the
# program) are bounded by what they name and stand in no list.
LABEL_VALUES: Final[Mapping[Counter | Gauge | Histogram, Mapping[str, tuple[str, ...]]]] = {
    DECISIONS: {"verdict": VERDICTS, "reason": REASONS},
    EXCHANGES: {"dialect": DIALECT_NAMES, "parse": PARSES, "state": STATES},
    BYTES: {"direction": ("prompt", "output")},
    DURABLE_SECONDS: {"record": ("intent", "outcome")},
    TUNNELS: {"kind": TUNNEL_KINDS},
    TUNNEL_BYTES: {"kind": TUNNEL_KINDS, "direction": ("up", "down")},
    AUTHENTICATIONS: {
        "result": ("absent", "refused", "verified", "wrong", "key", "vouched", "ignored", "unavailable")
    },
    POLICY_LOADS: {"result": ("swapped", "refused")},
    CUTS: {"reason": CUT_REASONS},
    RESTARTS: {"role": ROLES},
    CHILDREN: {"role": ROLES},
    ARCHIVED: {"kind": ("entry", "unknown-crash")},
    ARCHIVIST_FAULTS: {"kind": ("torn", "busy", "alarm", "shared-key")},
    WITNESS_ANSWERS: {"result": ("cosigned", "refused", "unreachable", "conflict")},
    OUTSIDE_FAULTS: {"kind": ("witness", "timestamp", "worm")},
    GOVERNING_CALLS: {"result": ("answered", "absent", "silent", "busy", "broken", "stranger")},
}


def _start_at_zero() -> None:
    """Show counters before they first count: ``increase`` cannot see a series that is born at 1."""
    for metric, values in LABEL_VALUES.items():
        if isinstance(metric, Counter) and metric not in (DECISIONS, EXCHANGES, BYTES):
            for combination in itertools.product(*values.values()):
                metric.labels(*combination)
    GATE_ERRORS.labels("record")
    # What the alerts look for must be seen the first time that it happens.
    for reason in OWN_FAULTS:
        DECISIONS.labels("deny", reason, "other")


_start_at_zero()


_DIALECTS = frozenset(DIALECT_NAMES)


def service_label(service: str | None, *, known: bool) -> str:
    """Fold a service id into the closed label set."""
    return service if service and known else "other"


def dialect_label(dialect: str) -> str:
    """Fold the name of a wire dialect into the closed label set."""
    return dialect if dialect in _DIALECTS else "none"
