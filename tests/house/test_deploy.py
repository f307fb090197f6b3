"""The files that people deploy with, as far as they can be held against the program without an engine."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from sekimori.cli.config_file import load
from sekimori.cli.units import Address
from sekimori.cli.web import host_names
from support.prometheus import needs

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text("utf-8")
INSIDE = "/etc/sekimori/sekimori.toml"

# What the compose specification knows of a service and that we use.
SERVICE_KEYS = {
    *(
        "build",
        "cap_drop",
        "command",
        "depends_on",
        "environment",
        "hostname",
        "init",
        "image",
        "logging",
        "mem_limit",
    ),
    *(
        "networks",
        "pids_limit",
        "ports",
        "read_only",
        "restart",
        "security_opt",
        "stop_grace_period",
        "tmpfs",
    ),
    *("ulimits", "user", "volumes"),
}


def compose():
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))


def services():
    return [pytest.param(name, service, id=name) for name, service in compose()["services"].items()]


def instructions():
    joined = CONTAINERFILE.replace("\\\n", " ")
    return [line.split(None, 1) for line in joined.splitlines() if line and not line.startswith("#")]


# --- compose -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "service"), services())
def test_a_service_says_nothing_that_compose_does_not_know(name, service):
    assert set(service) <= SERVICE_KEYS


@pytest.mark.req("UPD-P5-1")
@pytest.mark.parametrize(("name", "service"), services())
def test_every_container_is_closed(name, service):
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["mem_limit"]


@pytest.mark.parametrize(("name", "service"), services())
def test_nothing_is_published_beyond_this_machine(name, service):
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])


@pytest.mark.parametrize(("name", "service"), services())
def test_everything_mounted_is_a_volume_or_a_file_that_is_here(name, service):
    for mount in service["volumes"]:
        source = mount.split(":")[0]
        if source.startswith("."):
            assert (DEPLOY / source).is_file(), mount
            assert mount.endswith(":ro"), mount
        else:
            assert source in compose()["volumes"], mount


@pytest.mark.parametrize(("name", "service"), services())
def test_every_image_has_a_version(name, service):
    assert ":" in service["image"]


def test_data_and_keys_are_two_volumes_and_nobody_else_has_them():
    holders = {name: service["volumes"] for name, service in compose()["services"].items()}
    assert {"data:/data", "keys:/keys"} <= set(holders.pop("sekimori"))
    assert not [
        mount for mounts in holders.values() for mount in mounts if mount.startswith(("data:", "keys:"))
    ]


def test_the_keys_outlive_the_container_and_can_be_changed_by_it():
    service, volumes = compose()["services"]["sekimori"], compose()["volumes"]
    for name in ("data", "keys"):
        assert f"{name}:/{name}" in service["volumes"], "writable: trees grow, erasures destroy keys"
        assert volumes[name] == {}, "a volume of the engine's own, on disk"
        assert not [mount for mount in service["tmpfs"] if mount.startswith(f"/{name}")]


def test_the_containers_configuration_is_one_that_the_program_accepts():
    service = compose()["services"]["sekimori"]
    assert service["command"] == ["up", "--config", INSIDE]
    mount = next(mount for mount in service["volumes"] if INSIDE in mount)
    config = load(DEPLOY / mount.split(":")[0], {})
    listening = {str(port) for port in (config.gate.listen.port, config.console.listen.port)}
    assert {port.rsplit(":", 1)[1] for port in service["ports"]} == listening
    assert config.gate.drain < float(service["stop_grace_period"].rstrip("s")) - 15


def test_prometheus_scrapes_where_the_program_listens():
    config = yaml.safe_load((DEPLOY / "compose/prometheus.yml").read_text("utf-8"))
    port = load(DEPLOY / "compose/sekimori.toml", {}).metrics.listen.port
    (scrape,) = config["scrape_configs"]
    assert scrape["static_configs"] == [{"targets": [f"sekimori:{port}"]}]
    assert re.match("sekimori", scrape["job_name"])


def test_promtool_accepts_the_configuration(tmp_path):
    (tmp_path / "prometheus.yml").write_bytes((DEPLOY / "compose/prometheus.yml").read_bytes())
    (tmp_path / "sekimori.rules.yml").write_bytes((ROOT / "dashboards/sekimori.rules.yml").read_bytes())
    command = [needs("promtool"), "check", "config", str(tmp_path / "prometheus.yml")]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_grafana_finds_its_dashboard_where_it_is_mounted():
    provider = yaml.safe_load((DEPLOY / "compose/grafana/dashboards.yml").read_text("utf-8"))["providers"][0]
    mounts = compose()["services"]["grafana"]["volumes"]
    assert f"../dashboards/sekimori.json:{provider['options']['path']}/sekimori.json:ro" in mounts


# --- the image ---------------------------------------------------------------------------------


def test_the_image_runs_as_nobody_in_particular():
    users = [rest for name, rest in instructions() if name == "USER"]
    assert users == ["10001:10001"]
    assert compose()["services"]["sekimori"]["user"] == "10001:10001"


def test_every_package_in_the_image_is_held_against_its_hash():
    installs = re.findall(r"pip install [^&\n]*", CONTAINERFILE.replace("\\\n", " "))
    assert installs
    assert all("--require-hashes" in line or "--no-index" in line for line in installs)


def test_every_base_has_a_version_and_all_are_the_same():
    bases = {rest.split()[0] for name, rest in instructions() if name == "FROM"}
    assert len(bases) == 1
    wanted = (ROOT / ".python-version").read_text("utf-8").strip()
    assert bases.pop().startswith(f"python:{'.'.join(wanted.split('.')[:2])}-")


def test_the_health_check_asks_by_a_name_that_is_always_answered():
    (check,) = [rest for name, rest in instructions() if name == "HEALTHCHECK"]
    program = json.loads(check.partition("CMD ")[2])[2]
    host = "".join(re.findall(r"'Host': '([^']+)'", program))
    listen = load(DEPLOY / "compose/sekimori.toml", {}).console.listen
    assert host in host_names("https://sekimori.example.jp", Address(listen.host, listen.port))
    assert f"http://127.0.0.1:{listen.port}/healthz" in program


def test_the_image_is_built_from_what_the_wheel_needs_and_from_nothing_else():
    ignore = (DEPLOY / "Containerfile.dockerignore").read_text("utf-8").splitlines()
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    assert let_in >= {"addons", "console", "proxy", "storage", "requirements", "pyproject.toml", "README.md"}
    assert all((ROOT / name).exists() for name in let_in)


# --- the network -------------------------------------------------------------------------------


def test_the_firewall_closes_quic_and_names_the_user_of_the_gate():
    text = (DEPLOY / "nftables/egress.nft").read_text("utf-8")
    assert re.search(r"udp dport \{ 80, 443", text)
    assert 'skuid "sekimori-gate"' in text
    assert text.count("{") == text.count("}")


def test_squid_neither_bumps_nor_invents_a_user():
    text = (DEPLOY / "squid/sekimori-parent.conf").read_text("utf-8")
    directives = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert any("login=PASSTHRU" in line for line in directives)
    assert not [line for line in directives if "bump" in line]


def test_a_squid_that_says_who_its_client_is_drops_what_the_client_claims_and_shows_its_certificate():
    text = (DEPLOY / "squid/sekimori-parent-tls.conf").read_text("utf-8")
    directives = [line for line in text.splitlines() if line and not line.startswith("#")]
    dropped = directives.index("request_header_access X-Authenticated-User deny all")
    assert dropped < directives.index('request_header_add X-Authenticated-User "%ul" all')
    assert [line for line in directives if line.startswith("cache_peer") and "tls-cert=" in line]
    assert not [line for line in directives if "bump" in line]
