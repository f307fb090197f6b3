"""The panels of the Grafana dashboard as a table: what each asks, in two languages.

Knows expressions and titles; how they become Grafana's JSON is ``grafana``'s business. ``$instance``
is Grafana's variable: one instance is one supervised tree.
"""

from __future__ import annotations

from dataclasses import dataclass

_HERE = '{instance=~"$instance"}'
_RATE = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Query:
    """One expression and the name of its lines."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel; ``help_`` texts say what a surprising value means."""

    ja: str
    en: str
    queries: tuple[Query, ...]
    help_ja: str
    help_en: str
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 8
    height: int = 8
    steps: tuple[tuple[float | None, str], ...] = ()
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A titled group of panels."""

    ja: str
    en: str
    panels: tuple[Panel, ...]


def _sum_rate(metric: str, by: str, labels: str = "") -> str:
    extra = f", {labels}" if labels else ""
    return f'sum by ({by}) (rate({metric}{{instance=~"$instance"{extra}}}{_RATE}))'


def _quantiles(metric: str, labels: str = "") -> tuple[Query, ...]:
    buckets = _sum_rate(f"{metric}_bucket", "le", labels)
    return tuple(
        Query(f"histogram_quantile({quantile}, {buckets})", f"p{name}")
        for name, quantile in (("50", "0.50"), ("95", "0.95"), ("99", "0.99"))
    )


def _stat(
    ja: str, en: str, expr: str, help_ja: str, help_en: str, unit: str, *steps: tuple[float | None, str]
) -> Panel:
    return Panel(
        ja, en, (Query(expr),), help_ja, help_en, kind="stat", unit=unit, width=4, height=5, steps=steps
    )


_NOW = Row(
    "いま",
    "Now",
    (
        _stat(
            "関門のプロセス",
            "Gate workers",
            f'sum(sekimori_children_up{{role="gate", {_HERE[1:]})',
            "0 のとき、AI への通信は通りません。",
            "At 0 no AI traffic passes.",
            "short",
            (None, "red"),
            (1, "green"),
        ),
        _stat(
            "ポリシーの古さ",
            "Age of the policy",
            f"max(sekimori_policy_age_seconds{_HERE})",
            "snapshot_max_age（既定 15 分）を超えると AI への通信を拒否します。",
            "Beyond snapshot_max_age (15 min by default) AI traffic is refused.",
            "s",
            (None, "green"),
            (300, "orange"),
            (900, "red"),
        ),
        _stat(
            "スプール使用率",
            "Spool used",
            f"max(sekimori:spool_used:ratio{_HERE})",
            "1 に達すると AI への通信を拒否します。",
            "At 1 AI traffic is refused.",
            "percentunit",
            (None, "green"),
            (0.5, "orange"),
            (0.8, "red"),
        ),
        _stat(
            "未収録の最古の記録",
            "Oldest unarchived record",
            f"max(sekimori_spool_oldest_seconds{_HERE})",
            "60 秒を超えるのは、アーキビストが遅れているか止まっているときです。",
            "Beyond 60 s the archivist is behind or stopped.",
            "s",
            (None, "green"),
            (30, "orange"),
            (60, "red"),
        ),
        _stat(
            "進行中のやりとり",
            "Open exchanges",
            f"sum(sekimori_open_exchanges{_HERE})",
            "許可され、まだ終わっていないやりとりの数です。",
            "Exchanges that were let through and have not ended.",
            "short",
            (None, "blue"),
        ),
        _stat(
            "読み切れなかった割合（30分）",
            "Not fully read (30 min)",
            f"max(sekimori:exchanges_not_parsed:ratio_rate30m{_HERE})",
            "本文を最後まで解釈できなかったやりとりの割合です。",
            "Share of exchanges whose text could not be read to the end.",
            "percentunit",
            (None, "green"),
            (0.05, "orange"),
            (0.2, "red"),
        ),
    ),
)

_DECISIONS = Row(
    "判定",
    "Decisions",
    (
        Panel(
            "判定（結果別）",
            "Decisions by verdict",
            (Query(_sum_rate("sekimori_decisions_total", "verdict"), "{{verdict}}"),),
            "毎秒の判定の数です。",
            "Decisions a second.",
            unit="reqps",
            stacked=True,
        ),
        Panel(
            "拒否（理由別）",
            "Refusals by reason",
            (Query(_sum_rate("sekimori_decisions_total", "reason", 'verdict="deny"'), "{{reason}}"),),
            "理由コードの意味は docs/operating.md にあります。",
            "docs/operating.md says what each code means.",
            unit="reqps",
            stacked=True,
        ),
        Panel(
            "拒否の多いサービス（1時間）",
            "Most refused services (1 h)",
            (
                Query(
                    "topk(10, sum by (service) (increase("
                    'sekimori_decisions_total{verdict="deny", instance=~"$instance"}[1h])))',
                    "{{service}}",
                ),
            ),
            "申請の案内が必要な、承認のないサービスの利用が分かります。",
            "Shows where people want an approval that is not there.",
            kind="bargauge",
        ),
        Panel(
            "判定（サービス別）",
            "Decisions by service",
            (Query(_sum_rate("sekimori_decisions_total", "service, verdict"), "{{service}} {{verdict}}"),),
            "other は、ポリシーにもカタログにもない宛先です。",
            "other is what neither the policy nor the catalogue knows.",
            unit="reqps",
            width=16,
        ),
        Panel(
            "途中で打ち切った通信",
            "Streams cut while they ran",
            (Query(f"sum by (reason) (increase(sekimori_cut_streams_total{_HERE}[1h]))", "{{reason}}"),),
            "承認の終了や取消しにより、途中で止めた応答の数（1時間）です。",
            "Answers that were stopped because their permission ended, in 1 h.",
        ),
    ),
)

_EXCHANGES = Row(
    "やりとり",
    "Exchanges",
    (
        Panel(
            "やりとり（サービス別）",
            "Exchanges by service",
            (Query(_sum_rate("sekimori_exchanges_total", "service"), "{{service}}"),),
            "終了したやりとりの毎秒の数です。",
            "Exchanges that ended, a second.",
            unit="reqps",
        ),
        Panel(
            "やりとり（解釈の程度別）",
            "Exchanges by how far they were read",
            (Query(_sum_rate("sekimori_exchanges_total", "parse"), "{{parse}}"),),
            "unparsed は全体を記録しますが、本文として表示できません。",
            "unparsed is recorded whole but cannot be shown as text.",
            unit="reqps",
            stacked=True,
        ),
        Panel(
            "やりとり（終わり方別）",
            "Exchanges by how they ended",
            (Query(_sum_rate("sekimori_exchanges_total", "state"), "{{state}}"),),
            "partial は中断、blocked は関守が打ち切ったもの、failed は応答がなかったものです。",
            "partial was interrupted, blocked was cut by the gate, failed had no answer.",
            unit="reqps",
            stacked=True,
        ),
        Panel(
            "本文の量（向き別）",
            "Body bytes by direction",
            (Query(_sum_rate("sekimori_bytes_total", "direction"), "{{direction}}"),),
            "AI サービスとのやりとりの本文だけを数えます。",
            "Counts the bodies of AI exchanges only.",
            unit="Bps",
            width=12,
        ),
        Panel(
            "本文の量（サービス別）",
            "Body bytes by service",
            (Query(_sum_rate("sekimori_bytes_total", "service"), "{{service}}"),),
            "送信と受信の合計です。",
            "Both directions together.",
            unit="Bps",
            width=12,
        ),
    ),
)

_LATENCY = Row(
    "関守が加える遅延",
    "Latency that Sekimori adds",
    (
        Panel(
            "判定にかかる時間",
            "Time to decide",
            _quantiles("sekimori_decision_seconds"),
            "要求の読み取り、検査、判定の合計です。",
            "Reading the request, detection and decision together.",
            unit="s",
        ),
        Panel(
            "送信前の記録待ち",
            "Wait for the record before forwarding",
            _quantiles("sekimori_durable_wait_seconds", 'record="intent"'),
            "ディスクの fdatasync の速さで決まります。",
            "Set by how fast the disk syncs.",
            unit="s",
        ),
        Panel(
            "応答完了前の記録待ち",
            "Wait for the record before the end of an answer",
            _quantiles("sekimori_durable_wait_seconds", 'record="outcome"'),
            "応答の最後のバイトだけがこの時間を待ちます。",
            "Only the last byte of an answer waits for this.",
            unit="s",
        ),
    ),
)

_RECORD = Row(
    "記録",
    "The record",
    (
        Panel(
            "スプールの量と上限",
            "Spool and its high-water mark",
            (
                Query(f"max(sekimori_spool_bytes{_HERE})", "未収録 / unarchived"),
                Query(f"max(sekimori_spool_high_water_bytes{_HERE})", "上限 / high water"),
            ),
            "上限に達すると AI への通信を拒否します。",
            "At the high-water mark AI traffic is refused.",
            unit="bytes",
        ),
        Panel(
            "書き込み待ちの記録",
            "Records that wait for the disk",
            (Query(f"sum(sekimori_spool_queue_entries{_HERE})", "待ち / waiting"),),
            "増え続けるのは、ディスクが遅いときです。",
            "Grows while the disk is too slow.",
        ),
        Panel(
            "未収録の最古の記録",
            "Oldest unarchived record",
            (Query(f"max by (instance) (sekimori_spool_oldest_seconds{_HERE})", "{{instance}}"),),
            "アーキビストの遅れです。",
            "How far the archivist is behind.",
            unit="s",
        ),
        Panel(
            "収録した記録",
            "Archived entries",
            (Query(_sum_rate("sekimori_archived_entries_total", "kind"), "{{kind}}"),),
            "unknown-crash は、落ちたワーカーが残したやりとりです。",
            "unknown-crash are exchanges that a dead worker left behind.",
            unit="ops",
            width=12,
        ),
        Panel(
            "アーキビストの異常",
            "Faults met by the archivist",
            (Query(f"sum by (kind) (increase(sekimori_archivist_faults_total{_HERE}[1h]))", "{{kind}}"),),
            "alarm は証跡の異常です。直ちに調べてください。shared-key は、作業プロセスが上限を超える数の"
            "人・区分・月を名乗ったことを示します。",
            "alarm means that evidence is not what it must be: look at once. shared-key: a worker names more people, "
            "classes and months than it may draw data keys for.",
            width=12,
        ),
        Panel(
            "証人の回答",
            "Answers of witnesses",
            (
                Query(
                    f"sum by (result) (increase(sekimori_ledger_witness_answers_total{_HERE}[1h]))",
                    "{{result}}",
                ),
            ),
            "conflict は証人が別の記録を覚えていることを示します。直ちに調べてください。",
            "conflict means that a witness remembers another record: look at once.",
            width=12,
        ),
        Panel(
            "チェックポイントの鮮度",
            "Age of the checkpoint, and of the last witnessed one",
            (
                Query(f"max(sekimori_ledger_checkpoint_age_seconds{_HERE})", "checkpoint"),
                Query(f"max(sekimori_ledger_unwitnessed_seconds{_HERE})", "witnessed"),
            ),
            "証人のいない時間が上限に達すると、AI への通信が拒否されます。証人を設定していなければ 0 です。",
            "At the limit of time without witnesses AI traffic is refused. 0 where none is configured.",
            unit="s",
            width=12,
        ),
        Panel(
            "台帳の木と、チェックポイントを待つ記録",
            "Trees of the ledger, and records that wait for a checkpoint",
            (
                Query(f"max(sekimori_ledger_trees{_HERE})", "trees"),
                Query(f"max(sekimori_ledger_leaves_waiting{_HERE})", "waiting"),
            ),
            "木が 0 のときは、外部の記憶と食い違い、台帳が止まっています。",
            "0 trees: a memory outside contradicts them, and the ledger stands still.",
            width=12,
        ),
    ),
)

_UNREAD = Row(
    "読まずに通した通信",
    "Passed unread",
    (
        Panel(
            "接続（種類別）",
            "Connections by kind",
            (Query(_sum_rate("sekimori_tunnels_total", "kind"), "{{kind}}"),),
            "mixed は AI も提供するサイト、uncatalogued はカタログにないサイトです。",
            "mixed also serves AI, uncatalogued is in no catalogue.",
            unit="cps",
            width=12,
        ),
        Panel(
            "通信量（種類・向き別）",
            "Bytes by kind and direction",
            (Query(_sum_rate("sekimori_tunnel_bytes_total", "kind, direction"), "{{kind}} {{direction}}"),),
            "uncatalogued の up が多いときは、カタログに足すべき AI がないか調べてください。",
            "Much uncatalogued upload: see whether an AI service is missing from the catalogue.",
            unit="Bps",
            width=12,
        ),
    ),
)

_HOUSE = Row(
    "ポリシー・認証・プロセス",
    "Policy, authentication, processes",
    (
        Panel(
            "ポリシーの版",
            "Version of the policy",
            (Query(f"sekimori_policy_version{_HERE}", "{{instance}}"),),
            "値はハッシュの先頭です。変わった時刻がポリシーの切り替わりです。",
            "The value is the head of a hash; where it changes, policy changed.",
            unit="none",
        ),
        Panel(
            "ポリシーの読み込み",
            "Policy loads",
            (Query(f"sum by (result) (increase(sekimori_policy_loads_total{_HERE}[1h]))", "{{result}}"),),
            "refused は、壊れた版が今の版を置き換えなかった回数です。",
            "refused counts broken snapshots that did not replace the good one.",
        ),
        Panel(
            "認証",
            "Authentications",
            (Query(_sum_rate("sekimori_authentications_total", "result"), "{{result}}"),),
            "refused が急に増えるのは、総当たりか、設定の誤った機器です。",
            "A burst of refused is guessing, or a misconfigured device.",
            unit="ops",
        ),
        Panel(
            "答えなかったディレクトリ",
            "Directory that did not answer",
            (Query(f"sum(increase(sekimori_directory_errors_total{_HERE}[1h]))", "errors"),),
            "答えない間、ディレクトリの利用者は DENY_IDENTITY_UNAVAILABLE で拒否されます。",
            "While it does not, its people are refused with DENY_IDENTITY_UNAVAILABLE.",
        ),
        Panel(
            "関門内の異常",
            "Errors inside the gate",
            (Query(f"sum by (hook) (increase(sekimori_gate_errors_total{_HERE}[1h]))", "{{hook}}"),),
            "1 件でもあれば欠陥です。その要求は拒否されています。",
            "Even one is a defect; its request was refused.",
        ),
        Panel(
            "統制のプロセスへの引き渡し",
            "Handed to the governing process",
            (Query(f"sum by (result) (increase(sekimori_governing_calls_total{_HERE}[1h]))", "{{result}}"),),
            "answered 以外は 503 で返した回数です。別の利用者で動かすときだけ数えます。",
            "All but answered were a 503. Counted only where roles run as users of their own.",
        ),
        Panel(
            "子プロセスの再起動",
            "Restarts of children",
            (Query(f"sum by (role) (increase(sekimori_child_restarts_total{_HERE}[1h]))", "{{role}}"),),
            "落ちて再起動された回数（1時間）です。",
            "How often each died and was started again, in 1 h.",
        ),
        Panel(
            "動いている子プロセス",
            "Children running",
            (Query(f"sum by (role) (sekimori_children_up{_HERE})", "{{role}}"),),
            "役割ごとの数です。",
            "By role.",
        ),
    ),
)

ROWS = (_NOW, _DECISIONS, _EXCHANGES, _LATENCY, _RECORD, _UNREAD, _HOUSE)
