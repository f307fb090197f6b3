"""Alert and recording rules as tables: what each asks, and what the person who is woken up has to do.

An alert is a value and the comparison that makes it fire, so that a test can ask a real Prometheus for
the value even while all is well. Each alert has a section of the same name in ``docs/operating.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

_TREE = "job, instance"
_JOB = 'job=~"sekimori.*"'


@dataclass(frozen=True, slots=True)
class Recording:
    """A figure that panels and alerts share."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. ``probe`` is asked for data where ``value`` itself is empty while all is well."""

    name: str
    value: str
    fires: str
    lasts: str
    severity: str
    ja: str
    en: str
    do_ja: str
    do_en: str
    probe: str = ""

    @property
    def expr(self) -> str:
        """The whole expression."""
        return f"{self.value} {self.fires}".strip()


# Refusals for these reasons say that Sekimori itself is at fault, not the request.
_OWN_FAULTS = (
    "DENY_AUDIT_UNAVAILABLE|DENY_POLICY_UNAVAILABLE|DENY_IDENTITY_UNAVAILABLE|"
    "DENY_CLOCK|DENY_OVERLOADED|DENY_GATE_ERROR"
)

RECORDINGS = (
    # The sum over services first: a service's first refusal is a new series, which increase() cannot see.
    # Safe here, since all counters of a tree begin anew together.
    Recording(
        "sekimori:own_faults:total",
        f'sum by ({_TREE}, reason) (sekimori_decisions_total{{reason=~"{_OWN_FAULTS}"}})',
    ),
    Recording(
        "sekimori:spool_used:ratio",
        f"max by ({_TREE}) (sekimori_spool_bytes) / max by ({_TREE}) (sekimori_spool_high_water_bytes)",
    ),
    Recording(
        "sekimori:exchanges_not_parsed:ratio_rate30m",
        f'(sum by ({_TREE}) (rate(sekimori_exchanges_total{{parse!="parsed"}}[30m]))'
        f" or 0 * sum by ({_TREE}) (rate(sekimori_exchanges_total[30m])))"
        f" / (sum by ({_TREE}) (rate(sekimori_exchanges_total[30m])) > 0)",
    ),
    Recording(
        "sekimori:durable_wait_seconds:p99_5m",
        f"histogram_quantile(0.99, sum by ({_TREE}, record, le) "
        "(rate(sekimori_durable_wait_seconds_bucket[5m])))",
    ),
)


def _increase(metric: str, by: str, over: str) -> str:
    return f"sum by ({_TREE}{by}) (increase({metric}[{over}]))"


ALERTS = (
    Alert(
        "SekimoriDown",
        f"up{{{_JOB}}}",
        "== 0",
        "1m",
        "critical",
        "関守のメトリクスが取得できません",
        "Sekimori's metrics can't be scraped",
        "sekimori up が動いているか、metrics.listen に届くかを確かめてください。",
        "See whether sekimori up runs and metrics.listen can be reached.",
    ),
    Alert(
        "SekimoriNoGateWorker",
        f'sum by ({_TREE}) (sekimori_children_up{{role="gate"}}) * on ({_TREE}) '
        f"(count by ({_TREE}) (sekimori_spool_queue_entries) > bool 0"
        f' or 0 * sum by ({_TREE}) (sekimori_children_up{{role="gate"}}))',
        "< 1",
        "1m",
        "critical",
        "関門のプロセスが 1 つも動いていません",
        "No gate worker is up",
        "ログで落ちた理由を調べてください。その間、通信は通りません。",
        "Read the log for why they died. Nothing passes meanwhile.",
    ),
    Alert(
        "SekimoriChildDown",
        f'sum by ({_TREE}, role) (sekimori_children_up{{role!="gate"}})',
        "< 1",
        "2m",
        "critical",
        "{{ $labels.role }} が動いていません",
        "{{ $labels.role }} does not run",
        "ログで落ちた理由を調べてください。関門はスプールの上限とポリシーの期限まで動き続けます。",
        "Read the log for why it died. The gate goes on until the spool is full or the policy too old.",
    ),
    Alert(
        "SekimoriChildRestarts",
        _increase("sekimori_child_restarts_total", ", role", "15m"),
        "> 0",
        "0m",
        "warning",
        "{{ $labels.role }} が落ちて再起動されました",
        "{{ $labels.role }} died and was started again",
        "ログで落ちた理由を調べ、繰り返す場合は報告してください。",
        "Read the log for why; report it if it happens again.",
    ),
    Alert(
        "SekimoriPolicyMissing",
        f"count by ({_TREE}) (sekimori_spool_queue_entries) unless on ({_TREE}) sekimori_policy_age_seconds",
        "",
        "2m",
        "critical",
        "ポリシーが一度も読み込まれていません",
        "No policy was ever loaded",
        "publisher が動いているか、DATA/policy が読めるかを確かめてください。AI への通信は拒否されています。",
        "See whether the publisher runs and DATA/policy can be read. AI traffic is refused.",
        probe=f"count by ({_TREE}) (sekimori_policy_age_seconds)",
    ),
    Alert(
        "SekimoriPolicyOld",
        f"max by ({_TREE}) (sekimori_policy_age_seconds)",
        "> 300",
        "1m",
        "warning",
        "ポリシーが 5 分以上確認されていません",
        "The policy was not confirmed for 5 minutes",
        "publisher のログを調べてください。15 分で AI への通信が拒否されます。",
        "Read the publisher's log. After 15 minutes AI traffic is refused.",
    ),
    Alert(
        "SekimoriPolicyExpired",
        f"max by ({_TREE}) (sekimori_policy_age_seconds)",
        "> 900",
        "0m",
        "critical",
        "ポリシーが古すぎるため AI への通信を拒否しています",
        "The policy is too old: AI traffic is refused",
        "publisher とデータベースを復旧してください。",
        "Bring the publisher and the database back.",
    ),
    Alert(
        "SekimoriPolicyRefused",
        _increase('sekimori_policy_loads_total{result="refused"}', "", "10m"),
        "> 0",
        "0m",
        "warning",
        "壊れたポリシーが配布されました（今の版が有効なままです）",
        "A broken policy was published (the good one stays in force)",
        "DATA/policy を他のプログラムが書き換えていないか、ディスクを調べてください。",
        "See whether another program writes to DATA/policy, and check the disk.",
    ),
    Alert(
        "SekimoriSpoolFilling",
        "sekimori:spool_used:ratio",
        "> 0.8",
        "1m",
        "critical",
        "スプールが上限の {{ $value | humanizePercentage }} に達しました",
        "The spool is at {{ $value | humanizePercentage }} of its high-water mark",
        "アーキビストとデータベースを調べてください。100 % で AI への通信が拒否されます。",
        "Look at the archivist and the database. At 100 % AI traffic is refused.",
    ),
    Alert(
        "SekimoriArchivistBehind",
        f"max by ({_TREE}) (sekimori_spool_oldest_seconds)",
        "> 60",
        "1m",
        "warning",
        "記録が {{ $value | humanizeDuration }} 収録されていません",
        "Records wait for {{ $value | humanizeDuration }} to be archived",
        "アーキビストのログ、データベースのロックと空き容量を調べてください。",
        "Read the archivist's log; look at the database's locks and free space.",
    ),
    Alert(
        "SekimoriEvidenceAlarm",
        _increase('sekimori_archivist_faults_total{kind="alarm"}', "", "15m"),
        "> 0",
        "0m",
        "critical",
        "証跡に異常があります",
        "Evidence is not what it must be",
        "アーキビストのログを読み、DATA を保全してから sekimori verify を実行してください。",
        "Read the archivist's log, preserve DATA, then run sekimori verify.",
    ),
    Alert(
        "SekimoriArchivistBusy",
        _increase('sekimori_archivist_faults_total{kind="busy"}', "", "10m"),
        "> 10",
        "0m",
        "warning",
        "データベースが記録を受け付けません",
        "The database does not take records",
        "空き容量と、データベースを開いたままの他のプログラムを調べてください。",
        "Look at the free space and for other programs that hold the database.",
    ),
    Alert(
        "SekimoriLedgerStopped",
        f"max by ({_TREE}) (sekimori_ledger_checkpoint_age_seconds)",
        "> 300",
        "0m",
        "critical",
        "台帳のチェックポイントが {{ $value | humanizeDuration }} 出ていません",
        "The ledger has published no checkpoint for {{ $value | humanizeDuration }}",
        "アーキビストのログで理由を調べてください。記録は続きますが、スプールが満ちると AI への通信が拒否されます。",
        "See in the archivist's log why. Records are kept; when the spool is full AI traffic is refused.",
    ),
    Alert(
        "SekimoriWitnessConflict",
        _increase('sekimori_ledger_witness_answers_total{result="conflict"}', "", "15m"),
        "> 0",
        "0m",
        "critical",
        "証人の記憶が記録と食い違っています",
        "A witness remembers another record than ours",
        "DATA を保全し、台帳が巻き戻されていないか、復元されていないかを証人の管理者と調べてください。",
        "Preserve DATA; find out with the witness's administrator what was rolled back or restored.",
    ),
    Alert(
        "SekimoriWitnessAway",
        _increase('sekimori_ledger_witness_answers_total{result=~"refused|unreachable"}', ", result", "15m"),
        "> 10",
        "5m",
        "warning",
        "証人が連署しません（{{ $labels.result }}）",
        "A witness does not cosign ({{ $labels.result }})",
        "アーキビストのログでどの証人かを調べ、ネットワーク、時刻、証人の側のログを確かめてください。",
        "See in the archivist's log which one; look at the network, both clocks and the witness's journal.",
    ),
    Alert(
        "SekimoriUnwitnessed",
        f"max by ({_TREE}) (sekimori_ledger_unwitnessed_seconds)"
        f" / (max by ({_TREE}) (sekimori_ledger_unwitnessed_limit_seconds) > 0)",
        "> 0.25",
        "1m",
        "critical",
        "記録に証人がない状態が上限の {{ $value | humanizePercentage }} に達しました",
        "The record has had no witness for {{ $value | humanizePercentage }} of the limit",
        "証人を復旧してください。上限（ledger.unwitnessed_limit）に達すると AI への通信が拒否されます。",
        "Bring the witnesses back. At the limit (ledger.unwitnessed_limit) AI traffic is refused.",
        probe=f"max by ({_TREE}) (sekimori_policy_age_seconds)",
    ),
    Alert(
        "SekimoriOutsideMemory",
        _increase("sekimori_ledger_outside_faults_total", ", kind", "15m"),
        "> 0",
        "0m",
        "warning",
        "チェックポイントを外部に残せません（{{ $labels.kind }}）",
        "Checkpoints can't be carried elsewhere ({{ $labels.kind }})",
        "アーキビストのログを読み、タイムスタンプ局か書き込み専用フォルダを調べてください。",
        "Read the archivist's log; look at the time-stamping authority or the write-once folder.",
    ),
    Alert(
        "SekimoriUnknownCrash",
        _increase('sekimori_archived_entries_total{kind="unknown-crash"}', "", "15m"),
        "> 0",
        "0m",
        "warning",
        "ワーカーが落ち、終わりの分からないやりとりがあります",
        "A worker died and left exchanges whose end is unknown",
        "sekimori log list で state が unknown-crash の記録を確かめてください。",
        "Look at the records of state unknown-crash with sekimori log list.",
    ),
    Alert(
        "SekimoriAuditRefusals",
        _increase('sekimori:own_faults:total{reason="DENY_AUDIT_UNAVAILABLE"}', "", "10m"),
        "> 0",
        "0m",
        "critical",
        "記録できないため要求を拒否しています",
        "Requests are refused because they can't be recorded",
        "スプールのあるディスクの空き容量、書き込みの可否、アーキビストを調べてください。",
        "Look at the spool's disk (space, errors) and at the archivist.",
    ),
    Alert(
        "SekimoriCannotDecide",
        _increase('sekimori:own_faults:total{reason!="DENY_AUDIT_UNAVAILABLE"}', ", reason", "10m"),
        "> 0",
        "0m",
        "critical",
        "関守側の理由（{{ $labels.reason }}）で要求を拒否しています",
        "Requests are refused for a fault of Sekimori's own ({{ $labels.reason }})",
        "docs/operating.md の理由コードの表に従ってください。",
        "Follow the table of reason codes in docs/operating.md.",
    ),
    Alert(
        "SekimoriGateError",
        _increase("sekimori_gate_errors_total", ", hook", "10m"),
        "> 0",
        "0m",
        "critical",
        "関門の内部で異常が起きました（{{ $labels.hook }}）",
        "An error inside the gate ({{ $labels.hook }})",
        "その要求は拒否されています。ログのトレースバックを添えて報告してください。",
        "Its request was refused. Report it with the traceback from the log.",
    ),
    Alert(
        "SekimoriGoverningAway",
        _increase('sekimori_governing_calls_total{result!="answered"}', ", result", "5m"),
        "> 0",
        "1m",
        "warning",
        "統制のプロセスが応答しません（{{ $labels.result }}）",
        "The governing process does not answer ({{ $labels.result }})",
        "sekimori govern serve が動いているか、ログとソケットの権限を確かめてください。",
        "See whether sekimori govern serve runs; read its log and look at the socket's owner and mode.",
    ),
    Alert(
        "SekimoriNotFullyRead",
        "sekimori:exchanges_not_parsed:ratio_rate30m",
        "> 0.2",
        "30m",
        "warning",
        "やりとりの {{ $value | humanizePercentage }} を読み切れていません",
        "{{ $value | humanizePercentage }} of the exchanges can't be read to the end",
        "どのサービスかをダッシュボードで調べ、解釈の追加か、承認の unparsed の見直しをしてください。",
        "Find the service on the dashboard; it needs a wire reader, or its grant a look at unparsed.",
    ),
    Alert(
        "SekimoriSlowRecord",
        "sekimori:durable_wait_seconds:p99_5m",
        "> 0.5",
        "10m",
        "warning",
        "記録待ちの p99 が {{ $value | humanizeDuration }} です",
        "The p99 wait for the record is {{ $value | humanizeDuration }}",
        "スプールのあるディスクの fdatasync の速さを調べてください。",
        "Measure how fast the spool's disk syncs.",
    ),
    Alert(
        "SekimoriPasswordGuessing",
        _increase('sekimori_authentications_total{result=~"wrong|refused"}', "", "5m"),
        "> 50",
        "0m",
        "warning",
        "プロキシ認証の失敗が 5 分間に {{ $value | humanize }} 回ありました",
        "{{ $value | humanize }} proxy authentications failed in 5 minutes",
        "総当たりか、古いパスワードを持つ機器です。プロキシへの接続元をファイアウォールのログで調べてください。",
        "Somebody guesses, or a device has an old password: see in the firewall's log who connects.",
    ),
)
