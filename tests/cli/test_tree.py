"""Which processes there are, and what each is told."""

import json
import os
import socket
import subprocess
import sys

import msgspec
import pytest

from sekimori.cli.config import Config
from sekimori.cli.config_file import load
from sekimori.cli.greeting import Greeting
from sekimori.cli.orders import Orders, reachable, worker_settings
from sekimori.cli.places import Places
from sekimori.cli.tree import Addresses, Listeners, children, count_roles, role_of
from sekimori.cli.units import Address
from support.tlog import witness_verifier


@pytest.fixture
def listeners():
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    yield Listeners(*sockets)
    for each in sockets:
        each.close()


@pytest.fixture
def specs(tmp_path, listeners):
    def describe(roles=("gate", "archive", "console"), published=True, **gate):
        config = Config.model_validate({"gate": gate})
        places = Places(tmp_path / "data", tmp_path / "keys")
        return list(
            children(
                roles, config=config, places=places, listeners=listeners, lifeline_fd=77, published=published
            )
        )

    return describe


def test_the_whole_tree_has_a_process_for_each_duty(specs):
    assert [spec.name for spec in specs(workers=2)] == [
        "publisher",
        "archivist",
        "console",
        "gate-0",
        "gate-1",
    ]


@pytest.mark.parametrize(
    ("role", "names"),
    [
        pytest.param("gate", ["gate-0"], id="gate"),
        pytest.param("archive", ["publisher", "archivist"], id="archive"),
        pytest.param("console", ["console"], id="console"),
        pytest.param("govern", ["governor"], id="govern"),
    ],
)
def test_a_role_can_run_alone(specs, role, names):
    assert [spec.name for spec in specs(roles=(role,))] == names


def test_the_gate_is_drained_first_and_waits_for_the_first_policy_only(specs):
    before, after = specs(published=False), specs(published=True)
    assert {spec.name: spec.stage for spec in after}["gate-0"] < min(
        spec.stage for spec in after if spec.name != "gate-0"
    )
    assert (before[-1].after, after[-1].after) == (("publisher",), ())
    assert specs(roles=("gate",), published=False)[-1].after == ()


def test_no_child_is_told_anything_on_its_command_line(specs, tmp_path):
    for spec in specs():
        assert spec.argv[:-1] == (sys.executable, "-I", "-m", "sekimori.cli.child")
        assert str(tmp_path) not in " ".join(spec.argv)


def test_a_worker_is_told_its_socket_and_where_the_web_pages_really_are(specs, listeners):
    gate = specs(max_upload="1MiB", drain="3s")[-1]
    orders = msgspec.json.decode(gate.stdin, type=Orders)
    settings = worker_settings(orders)
    assert gate.fds == (settings.listen_fd,) == (listeners.gate.fileno(),)
    assert (settings.lifeline_fd, settings.max_upload, settings.drain) == (77, 2**20, 3.0)
    assert settings.public_url == f"http://127.0.0.1:{listeners.console.getsockname()[1]}"
    assert gate.drain > settings.drain


def test_every_key_of_the_gate_reaches_the_worker(tmp_path):
    changed = {
        "SEKIMORI_PROFILE": "gov",
        "SEKIMORI_GATE_UNCATALOGUED": "refuse",
        "SEKIMORI_GATE_CONNECT_PORTS": "444",
        "SEKIMORI_GATE_HTTP_PORTS": "81",
        "SEKIMORI_GATE_MISMATCH": "tunnel",
        "SEKIMORI_GATE_DECRYPT_MIXED": "slack.com",
        "SEKIMORI_GATE_INSPECT_HOSTS": "a.example",
        "SEKIMORI_GATE_MAX_UPLOAD": "1MiB",
        "SEKIMORI_GATE_UPLOAD_BUDGET": "4MiB",
        "SEKIMORI_GATE_MAX_CAPTURE": "2MiB",
        "SEKIMORI_GATE_CAPTURE_BUDGET": "3MiB",
        "SEKIMORI_GATE_SNAPSHOT_MAX_AGE": "4s",
        "SEKIMORI_GATE_DRAIN": "5s",
        "SEKIMORI_GATE_DECISION_TIMEOUT": "6s",
        "SEKIMORI_GATE_RECORD_TIMEOUT": "7s",
        "SEKIMORI_UPSTREAM_CA_FILE": "roots.pem",
        "SEKIMORI_UPSTREAM_PROXY": "http://parent:3128",
        "SEKIMORI_UPSTREAM_RESOLVE": "api.openai.com=127.0.0.1:9443",
        "SEKIMORI_IDENTITY_REQUIRED": "ai",
        "SEKIMORI_IDENTITY_SOURCES": "basic,ldap,header,mtls",
        "SEKIMORI_IDENTITY_LDAP_URLS": "ldaps://directory.example",
        "SEKIMORI_IDENTITY_LDAP_USER_BASE": "ou=people,dc=example",
        "SEKIMORI_IDENTITY_HEADER_PARENTS": "squid.example",
        "SEKIMORI_IDENTITY_MTLS_NAME": "upn",
        "SEKIMORI_GATE_TLS_CERTIFICATE_FILE": "proxy.pem",
        "SEKIMORI_GATE_TLS_KEY_FILE": "proxy.key",
        "SEKIMORI_GATE_TLS_CLIENT_CA_FILE": "clients.pem",
        "SEKIMORI_CONSOLE_PUBLIC_URL": "https://sekimori.example",
        "SEKIMORI_SPOOL_HIGH_WATER": "8MiB",
        "SEKIMORI_SPOOL_MIN_FREE": "9MiB",
        "SEKIMORI_SPOOL_SEGMENT": "10MiB",
        "SEKIMORI_LEDGER_UNWITNESSED_LIMIT": "1h",
        "SEKIMORI_LEDGER_WITNESSES": json.dumps(
            [{"name": "w", "url": "https://w.example", "vkey": witness_verifier().vkey}]
        ),
    }

    def told(environment):
        config = load(None, environment).model_dump(mode="json")
        orders = Orders(data="d", keys="k", config=config, lifeline_fd=3, listen_fd=4, slot=5)
        return msgspec.structs.asdict(worker_settings(orders))

    defaults, settings = told({}), told(changed)
    same = {name for name, value in settings.items() if value == defaults[name]}
    assert same == {"slot", "listen_fd", "lifeline_fd", "data", "gate_keys"}


def test_roles_are_a_closed_set_and_those_without_a_child_count_zero():
    assert [role_of(name) for name in ("gate-0", "gate-11", "archivist")] == ["gate", "gate", "archivist"]
    assert count_roles(["gate-0", "gate-1", "console"], ["gate-1"]) == {"gate": 1, "console": 0}


def test_a_listener_for_everybody_is_named_by_this_machine():
    assert reachable(Address("0.0.0.0", 1), "gate.example") == Address("gate.example", 1)
    assert reachable(Address("127.0.0.1", 1), "gate.example") == Address("127.0.0.1", 1)


def test_a_second_start_says_one_line_for_each_address(listeners):
    greeting = Greeting.again(Addresses.of(Config(), listeners), ("gate", "archive", "console"))
    ports = [each.getsockname()[1] for each in (listeners.gate, listeners.console, listeners.metrics)]
    assert [line.split()[-1] for line in greeting.lines[:3]] == [
        f"http://127.0.0.1:{ports[0]}",
        f"http://127.0.0.1:{ports[1]}",
        f"http://127.0.0.1:{ports[2]}/metrics",
    ]
    assert greeting.lines[3:] == ("Sekimori is ready.",)


def test_a_child_whose_supervisor_is_gone_starts_nothing(tmp_path):
    read_end, write_end = os.pipe()
    os.close(write_end)
    orders = {"data": str(tmp_path), "keys": str(tmp_path), "config": {}, "lifeline_fd": read_end}
    done = subprocess.run(
        [sys.executable, "-I", "-m", "sekimori.cli.child", "gate"],
        input=json.dumps(orders).encode(),
        pass_fds=(read_end,),
        timeout=60,
    )
    os.close(read_end)
    assert done.returncode == 75
    assert list(tmp_path.iterdir()) == []
