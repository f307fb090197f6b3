"""Times as people type them; a day is a day in Japan."""

import pytest

from sekimori.cli.notify import notify
from sekimori.cli.times import parse_time
from sekimori.errors import UsageError

NOW = 1_800_000_000_000_000
APRIL = 1_774_969_200_000_000  # 2026-04-01T00:00:00+09:00


@pytest.mark.parametrize(
    ("text", "end", "time_us"),
    [
        pytest.param("2026-04-01", False, APRIL, id="a day begins"),
        pytest.param("2026-04-01", True, APRIL + 86_400_000_000, id="a day ends"),
        pytest.param("2026-04-01T00:00:00", False, APRIL, id="without a zone it is Japan's"),
        pytest.param("2026-03-31T15:00:00Z", True, APRIL, id="universal time"),
        pytest.param("2026-03-31T15:00:00.000001+00:00", False, APRIL + 1, id="microseconds"),
        pytest.param("15min", False, NOW - 900_000_000, id="an age"),
    ],
)
def test_a_time_is_read(text, end, time_us):
    assert parse_time(text, now_us=NOW, option="--since", end=end) == time_us


@pytest.mark.parametrize(
    "text", ["", "today", "2026-13-01", "9999-12-31", "5 parsecs", "2026-04-01T25:00:00Z"]
)
def test_what_is_no_time_is_a_sentence(text):
    with pytest.raises(UsageError, match=r"--until .* is no time"):
        parse_time(text, now_us=NOW, option="--until", end=True)


@pytest.mark.parametrize("abstract", [False, True], ids=["a path", "an abstract name"])
def test_systemd_is_told(tmp_path, abstract):
    import socket

    name = f"@sekimori-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if abstract else name)
        listener.settimeout(5)
        notify("READY=1", {"NOTIFY_SOCKET": name})
        assert listener.recv(100) == b"READY=1"
    notify("READY=1", {})
