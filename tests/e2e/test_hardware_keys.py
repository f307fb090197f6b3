"""Key-encryption keys in a PKCS#11 token that the configuration file names, through the real commands."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from support.installation import SEKIMORI

pytestmark = pytest.mark.e2e

SOFTHSM = Path("/usr/lib/softhsm/libsofthsm2.so")
PIN = "2468"


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    """A SoftHSM token of this test alone, known by the environment of the commands."""
    if not SOFTHSM.exists():
        pytest.skip("needs the system package softhsm2")
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(
        f"directories.tokendir = {tmp_path / 'tokens'}\nobjectstore.backend = file\n"
    )
    environment = os.environ | {"SOFTHSM2_CONF": str(tmp_path / "softhsm2.conf"), "NO_COLOR": "1"}
    words = ["--init-token", "--free", "--label", "sekimori", "--pin", PIN, "--so-pin", "13579"]
    subprocess.run(["softhsm2-util", *words], check=True, capture_output=True, env=environment)
    return environment


@pytest.fixture
def run(tmp_path, environment):
    """Run a command with the configuration file of this test."""
    pin = tmp_path / "pin"
    pin.write_text(f"{PIN}\n")
    pin.chmod(0o600)
    config = tmp_path / "sekimori.toml"
    config.write_text(
        f'[keys]\nprovider = "pkcs11"\npkcs11_module = "{SOFTHSM}"\npkcs11_token = "sekimori"\n'
        f'pkcs11_pin_file = "{pin}"\n'
    )

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        places = ["--data", str(tmp_path / "data"), "--keys", str(tmp_path / "keys"), "--config", str(config)]
        return subprocess.run(
            [str(SEKIMORI), *words, *places], capture_output=True, text=True, timeout=60, env=environment
        )

    return call


def test_an_installation_lives_on_a_token_from_its_first_start_through_a_rotation(run, tmp_path):
    made = run("init")
    assert made.returncode == 0, made.stderr
    assert not list((tmp_path / "keys").rglob("epoch-*.key"))
    status = json.loads(run("keys", "status", "--json").stdout)
    assert (status["provider"], status["epoch"], status["kept"]) == ("pkcs11", 1, [1])
    turned = run("keys", "rotate", "--json")
    assert turned.returncode == 0, turned.stderr
    status = json.loads(run("keys", "status", "--json").stdout)
    assert (status["epoch"], status["kept"]) == (2, [2])


def test_without_the_pin_the_installation_says_so_and_makes_no_key_elsewhere(run, tmp_path):
    assert run("init").returncode == 0
    (tmp_path / "pin").write_text("0000\n")
    refused = run("keys", "rotate")
    assert refused.returncode == 2
    assert "refuses the PIN" in refused.stderr
    (tmp_path / "pin").write_text(f"{PIN}\n")
    assert json.loads(run("keys", "status", "--json").stdout)["epoch"] == 1
