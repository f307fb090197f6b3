"""What the first start prints can be pasted as it stands: with TLS to the proxy, as root, by a path, with options."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from sekimori.cli.greeting import Administrator, Caller, Greeting, trust
from sekimori.cli.tree import Addresses

PLAIN = Addresses("http://127.0.0.1:8080", "http://127.0.0.1:8081", "http://127.0.0.1:8082/metrics")
TLS = Addresses("https://proxy.example:8080", PLAIN.web, PLAIN.metrics)
CA = Path("/srv/my keys/gate/ca.pem")


def commands(
    addresses: Addresses, administrator: Administrator, caller: Caller, proxy_ca: str = ""
) -> list[list[str]]:
    """What stands seven columns in: the lines to paste, as a shell reads them."""
    greeting = Greeting.first(addresses, CA, administrator, caller=caller, proxy_ca=proxy_ca)
    return [shlex.split(line, comments=False) for line in greeting.lines if line.startswith(" " * 7)]


def test_the_line_to_try_trusts_the_listener_itself_only_where_that_speaks_tls():
    known = Administrator("admin", "p", "secret")
    [plain, *_] = commands(PLAIN, known, Caller())
    assert plain == [
        *("curl", "--proxy", "http://127.0.0.1:8080", "--proxy-user", "admin:secret"),
        *("--cacert", str(CA), "https://chatgpt.com/"),
    ]
    [tls, *_] = commands(TLS, known, Caller(), "/etc/proxy chain.pem")
    assert tls[:5] == [
        "curl",
        "--proxy",
        "https://proxy.example:8080",
        "--proxy-cacert",
        "/etc/proxy chain.pem",
    ]
    assert tls[5:] == plain[3:]


def test_without_a_terminal_the_proxy_password_is_set_first_and_curl_asks_for_it(tmp_path):
    setting, trying, *_ = commands(PLAIN, Administrator("admin", link_file=tmp_path / "link"), Caller())
    assert setting == ["sekimori", "user", "passwd", "admin", "--proxy"]
    assert trying[3:5] == ["--proxy-user", "admin"]
    assert trying[-1] == "https://chatgpt.com/"


def test_commands_are_named_as_the_program_was_called():
    caller = Caller.of(".venv/bin/sekimori", None, {"--data": Path("my data"), "--keys": None})
    lines = commands(PLAIN, Administrator("admin"), caller)
    assert [".venv/bin/sekimori", "user", "add", "hanako", "--data", "my data"] in lines
    assert [".venv/bin/sekimori", "apply", "--help"] in lines


@pytest.mark.parametrize(
    ("called", "on_path", "program"),
    [
        pytest.param("sekimori", "/usr/bin/sekimori", "sekimori", id="by its name"),
        pytest.param("/usr/bin/sekimori", "/usr/bin/sekimori", "sekimori", id="by the path that is searched"),
        pytest.param(".venv/bin/sekimori", "/usr/bin/sekimori", ".venv/bin/sekimori", id="another than that"),
        pytest.param("./my env/sekimori", None, "'./my env/sekimori'", id="a folder with a space"),
        pytest.param("-c", None, "sekimori", id="from inside Python"),
    ],
)
def test_a_path_is_named_where_the_name_alone_finds_nothing(called, on_path, program):
    assert Caller.of(called, on_path, {}).program == program


@pytest.mark.parametrize(
    ("platform", "root", "debian", "command"),
    [
        (
            "linux",
            True,
            True,
            "cp '/srv/my keys/gate/ca.pem' /usr/local/share/ca-certificates/sekimori.crt && ",
        ),
        ("linux", False, True, "sudo cp "),
        ("linux", True, False, "trust anchor '/srv/my keys/gate/ca.pem'"),
        ("linux", False, False, "sudo trust anchor "),
        ("darwin", False, True, "sudo security add-trusted-cert "),
    ],
    ids=lambda value: str(value)[:12],
)
def test_trust_is_told_for_the_machine_at_hand_and_root_needs_no_sudo(platform, root, debian, command):
    [line] = trust(CA, platform, root=root, debian=debian)
    assert line.startswith(command)
    assert ("sudo" in line) is not root
