"""The systemd units: well-formed, closed, and of one mind; and users that really can work together."""

import json
import os
import re
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

from sekimori.cli.tree import KEYS_OF
from support.installation import free_ports
from support.namespaces import needs_root, seeing_python

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
# The witness stands alone, on another host.
ROLES = [unit for unit in UNITS if unit.stem != "sekimori-witness"]
ARCHIVE = next(unit for unit in ROLES if unit.stem == "sekimori-archive")
GATE = next(unit for unit in ROLES if unit.stem == "sekimori-gate")
GOVERN = next(unit for unit in ROLES if unit.stem == "sekimori-govern")
CONSOLE = next(unit for unit in ROLES if unit.stem == "sekimori-console")
SEKIMORI = Path(sys.executable).with_name("sekimori")
_HARDENING = "# --- hardening"


def needs_program(name):
    return shutil.which(name) or pytest.skip(f"{name} is not installed")


def settings(unit):
    return re.findall(r"^([A-Za-z]+)=(.*)$", unit.read_text("utf-8"), re.MULTILINE)


def setting(unit, name):
    return next(value for key, value in settings(unit) if key == name)


def command_of(unit):
    """The words of the command that a unit starts, and its options."""
    _, *words = setting(unit, "ExecStart").split()
    options = next(at for at, word in enumerate(words) if word.startswith("--"))
    return words[:options], words[options:]


def hidden_from(unit):
    return [path.removeprefix("-") for path in dict(settings(unit)).get("InaccessiblePaths", "").split()]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The units as they would be found where the program is installed."""
    folder = tmp_path_factory.mktemp("units")
    for unit in UNITS:
        text = unit.read_text("utf-8").replace("/opt/sekimori/bin/sekimori", "/bin/true")
        (folder / unit.name).write_text(text, "utf-8")
    return sorted(folder.glob("*.service"))


def test_systemd_finds_nothing_wrong_with_the_units(installed):
    program = needs_program("systemd-analyze")
    checked = subprocess.run(
        [program, "verify", "--man=no", *map(str, installed)], capture_output=True, text=True
    )
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.req("ABG-P5-1")
def test_every_unit_is_closed_as_far_as_a_proxy_can_be(installed):
    program = needs_program("systemd-analyze")
    for unit in installed:
        command = [program, "security", "--offline=true", "--no-pager", "--threshold=20", str(unit)]
        rated = subprocess.run(command, capture_output=True, text=True)
        assert rated.returncode == 0, rated.stdout[-300:] + rated.stderr


def test_the_hardening_is_the_same_in_all_units():
    parts = {unit.read_text("utf-8").partition(_HARDENING)[2].partition("[Install]")[0] for unit in UNITS}
    assert len(parts) == 1
    assert "LimitCORE=0" in parts.pop()


@pytest.mark.req("UPD-P5-1")
def test_every_role_has_a_user_of_its_own_but_the_one_that_needs_the_archivists_keys():
    users = sorted(setting(unit, "User") for unit in UNITS if unit != GOVERN)
    assert users == ["sekimori-archive", "sekimori-gate", "sekimori-web", "sekimori-witness"]
    assert setting(GOVERN, "User") == setting(ARCHIVE, "User")
    declared = "".join(path.read_text("utf-8") for path in (ROOT / "deploy/systemd").glob("sysusers*.conf"))
    assert all(re.search(rf"^u {user}\s", declared, re.MULTILINE) for user in users)


@pytest.mark.parametrize("unit", [pytest.param(unit, id=unit.stem) for unit in UNITS])
def test_what_a_unit_starts_is_a_command_with_those_options(unit):
    words, options = command_of(unit)
    known = subprocess.run([SEKIMORI, *words, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(option in known for option in options if option.startswith("--"))


def role_of(unit):
    return command_of(unit)[0][0]


@pytest.mark.req("ABG-P5-1")
def test_of_the_archivists_user_the_governing_process_is_left_what_the_api_needs():
    keys = "/var/lib/sekimori-keys"
    dear = {f"{keys}/root", f"{keys}/gate", f"{keys}/web", f"{keys}/archive/logs", f"{keys}/archive/lock.db"}
    assert dear | {"/var/lib/sekimori/spool"} <= set(hidden_from(GOVERN))
    assert setting(GOVERN, "ReadWritePaths") == "/var/lib/sekimori"
    assert setting(GOVERN, "PrivateUsers") == "yes"
    assert setting(GOVERN, "IPAddressDeny") == "any"


@pytest.mark.req("UPD-P5-1")
def test_the_web_server_alone_is_in_the_group_of_the_socket():
    declared = (ROOT / "deploy/systemd/sysusers.conf").read_text("utf-8")
    assert re.findall(r"^m (\S+)\s+sekimori-govern$", declared, re.MULTILINE) == ["sekimori-web"]
    holders = [
        unit for unit in UNITS if "sekimori-govern" in dict(settings(unit)).get("SupplementaryGroups", "")
    ]
    assert holders == [CONSOLE]
    folders = (ROOT / "deploy/systemd/tmpfiles.conf").read_text("utf-8")
    assert re.search(
        r"^d /var/lib/sekimori/govern\s+2750 sekimori-archive sekimori-govern ", folders, re.MULTILINE
    )


def test_a_drain_fits_into_the_time_that_systemd_leaves():
    from sekimori.cli.config import Config

    assert float(setting(GATE, "TimeoutStopSec")) > Config().gate.drain + 15


# --- the users at work -------------------------------------------------------------------------


class Machine:
    """A root folder with the users, the folders and the keys that the files in deploy/systemd make."""

    def __init__(self, root):
        self.root = root
        self.data = root / "var/lib/sekimori"
        self.keys = root / "var/lib/sekimori-keys"
        self.gate, self.web, *self.metrics = free_ports(6)
        for folder in ("etc/sekimori", "var/lib", "usr/lib/sysusers.d", "usr/lib/tmpfiles.d"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        self.config = root / "etc/sekimori/sekimori.toml"
        self.config.write_text(
            f'[gate]\nlisten = "127.0.0.1:{self.gate}"\ndrain = "1s"\n[console]\nlisten = "127.0.0.1:{self.web}"\n'
        )
        self.systemd("sysusers")
        self.users = self._ids("passwd")
        self.groups = self._ids("group")
        self.init()

    def init(self):
        """Do what root does once, and after an upgrade."""
        command = [str(SEKIMORI), "init", *self.folders()]
        subprocess.run(command, capture_output=True, text=True, check=True)
        self.systemd("tmpfiles", "--create")

    def systemd(self, kind, *program):
        """Apply one of the files in deploy/systemd."""
        (self.root / f"usr/lib/{kind}.d/sekimori.conf").write_bytes(
            (ROOT / f"deploy/systemd/{kind}.conf").read_bytes()
        )
        command = [needs_program(f"systemd-{kind}"), *program, f"--root={self.root}", "sekimori.conf"]
        made = subprocess.run(command, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr

    def folders(self):
        """Say where all of it lies, as options."""
        return ["--data", str(self.data), "--keys", str(self.keys), "--config", str(self.config)]

    def _ids(self, file):
        rows = (line.split(":") for line in (self.root / "etc" / file).read_text("utf-8").splitlines())
        return {row[0]: int(row[2]) for row in rows}

    def run(self, *arguments, stdin=""):
        """Run a command as the archivist's user, whose work commands do."""
        environment = {
            f"SEKIMORI_{name.upper()}": str(path)
            for name, path in (("data", self.data), ("keys", self.keys), ("config", self.config))
        }
        command = self.as_user(ARCHIVE, [str(SEKIMORI), *arguments])
        ran = subprocess.run(
            seeing_python(self.root / "aside", command),
            input=stdin,
            capture_output=True,
            text=True,
            env=os.environ | environment,
            cwd=self.root,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def as_user(self, unit, command):
        """Wrap a command so that the user and the groups of a unit run it."""
        own = dict(settings(unit))
        groups = {own["Group"], *own.get("SupplementaryGroups", "").split()}
        ids = [
            f"--reuid={self.users[own['User']]}",
            f"--regid={self.groups[own['Group']]}",
            f"--groups={','.join(str(self.groups[name]) for name in sorted(groups))}",
        ]
        if own.get("PrivateUsers") == "yes" and user_namespaces():
            mapped = (f"--map-user={self.users[own['User']]}", f"--map-group={self.groups[own['Group']]}")
            command = ["unshare", "--user", *mapped, *command]
        return ["setpriv", *ids, "--no-new-privs", "--bounding-set=-all", *command]

    def hiding(self, unit, command):
        """Wrap a command, which runs in a mount namespace, so that it finds closed what its unit hides."""
        empty_folder, empty_file = self.root / "no-folder", self.root / "no-file"
        empty_folder.mkdir(mode=0, exist_ok=True)
        empty_file.touch(mode=0)
        steps = []
        for path in (self.root / hidden.lstrip("/") for hidden in hidden_from(unit)):
            if path.exists():
                steps.append(f"mount --bind {empty_folder if path.is_dir() else empty_file} {path}")
        return ["sh", "-ec", "; ".join([*steps, f"exec {shlex.join(command)}"])]

    def start(self, unit, metrics):
        words, options = command_of(unit)
        role = words[0]
        for name, folder in (("--data", self.data), ("--keys", self.keys)):
            assert options[options.index(name) + 1] == f"/{folder.relative_to(self.root)}"
        command = [str(SEKIMORI), *words, *self.folders(), "--metrics", f"127.0.0.1:{metrics}"]
        log = (self.root / f"{role}.log").open("wb")
        environment = {
            name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")
        }
        wrapped = seeing_python(self.root / "aside", self.hiding(unit, self.as_user(unit, command)))
        with log:
            return subprocess.Popen(
                wrapped, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=self.data
            )

    def logs(self):
        return "\n".join(
            f"{path.stem}: {path.read_text('utf-8')[-1500:]}" for path in self.root.glob("*.log")
        )

    def until_ready(self, role, process):
        log = self.root / f"{role}.log"
        deadline = time.monotonic() + 60
        while "Sekimori is ready" not in log.read_text("utf-8"):
            assert process.poll() is None, self.logs()
            assert time.monotonic() < deadline, self.logs()
            time.sleep(0.1)


def user_namespaces():
    """Whether somebody who is not root may make a user namespace here; systemd itself always may."""
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "--user", "true"]
    return subprocess.run(command, capture_output=True).returncode == 0


@pytest.fixture
def machine():
    needs_root()
    # pytest's own folders are closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Machine(Path(folder))


KEY_FILES = {
    "gate": {
        "archive.pub",
        "archivist.pub",
        "ca.pem",
        "fingerprint.key",
        "issuing.key",
        "policy-signing.pub",
        "policy.key",
        "signing.key",
        "signing.pub",
    },
    "archive": {
        *("archivist.key", "gate.pub", "kek", "lock.db", "logs", "people.key"),
        *("policy.key", "signing.key", "store.key"),
    },
    "root": {
        "ca.key",
        "ca.pem",
        "issuing.pub",
        "people.key",
        "policy-signing.key",
        "policy-signing.pub",
        "policy.key",
    },
    "web": {"ca.pem", "people.key", "policy-signing.pub", "policy.key", "session.key"},
}


def test_each_user_reaches_its_own_keys_and_no_others(machine):
    assert {path.name for path in machine.keys.iterdir() if path.is_dir()} == set(KEY_FILES)
    for unit in ROLES:
        user = setting(unit, "User")
        same = [each for each in ROLES if setting(each, "User") == user]
        own = {folder for each in same for folder in KEYS_OF[role_of(each)]}
        for role in KEY_FILES:
            command = machine.as_user(unit, ["ls", str(machine.keys / role)])
            assert (subprocess.run(command, capture_output=True).returncode == 0) == (role in own), (
                unit,
                role,
            )
        command = machine.as_user(unit, ["ls", str(machine.keys)])
        assert subprocess.run(command, capture_output=True).returncode != 0, unit


def test_every_key_folder_holds_what_its_role_needs_and_nothing_of_it_is_open(machine):
    owners = {
        role: own for unit in ROLES for own in [setting(unit, "User")] for role in KEYS_OF[role_of(unit)]
    }
    for role, files in KEY_FILES.items():
        folder = machine.keys / role
        assert {path.name for path in folder.iterdir()} == files
        for path in (folder, *folder.rglob("*")):
            status = path.stat()
            assert stat.S_IMODE(status.st_mode) == (0o700 if path.is_dir() else 0o600), path
            assert status.st_uid == machine.users[owners[role]], path


def test_no_key_lies_in_memory_or_is_hidden_from_whoever_needs_it():
    for unit in ROLES:
        own = KEYS_OF[role_of(unit)]
        hidden = set(hidden_from(unit))
        assert {f"/var/lib/sekimori-keys/{role}" for role in KEY_FILES if role not in own} <= hidden
        assert not {f"/var/lib/sekimori-keys/{role}" for role in own} & hidden
        assert "/run/" not in unit.read_text("utf-8")
    assert "/run/" not in (ROOT / "deploy/systemd/tmpfiles.conf").read_text("utf-8").partition("\n")[2]
    assert "/var/lib/sekimori-keys/archive" in setting(ARCHIVE, "ReadWritePaths").split()


def test_a_service_that_lacks_a_key_says_what_to_run_and_makes_none(machine):
    lost = [machine.keys / "root" / "people.key", machine.keys / "gate" / "policy.key"]
    for path in lost:
        path.unlink()
    for unit, path in zip((ARCHIVE, GATE), lost, strict=True):
        process = machine.start(unit, machine.metrics[0])
        assert process.wait(60) == 2
        log = (machine.root / f"{role_of(unit)}.log").read_text("utf-8")
        assert f"{path} is missing" in log
        assert "sekimori init" in log
        assert not path.exists()
    machine.init()
    for path in lost:
        assert path.stat().st_uid in {machine.users["sekimori-archive"], machine.users["sekimori-gate"]}


def test_what_an_erasure_or_root_makes_belongs_to_the_archivist(machine):
    subprocess.run([str(SEKIMORI), "keys", "rotate", *machine.folders()], check=True, capture_output=True)
    machine.run("keys", "rotate")
    assert {path.stat().st_uid for path in (machine.keys / "archive").rglob("*")} == {
        machine.users["sekimori-archive"]
    }
    assert [path.name for path in (machine.keys / "archive/kek").iterdir()] == ["epoch-000003.key"]


def test_what_is_hidden_is_not_found_through_another_process_of_the_same_user(machine):
    if not user_namespaces():
        pytest.skip("no user namespace can be made here")
    with subprocess.Popen(machine.as_user(ARCHIVE, ["sleep", "60"])) as archivist:
        try:
            while Path(f"/proc/{archivist.pid}/comm").read_text("utf-8") != "sleep\n":
                time.sleep(0.01)
            seen = Path("/proc", str(archivist.pid), "root")
            root_key = seen / machine.keys.relative_to("/") / "root" / "ca.key"
            for unit, found in ((ARCHIVE, True), (GOVERN, False)):
                probe = subprocess.run(machine.as_user(unit, ["cat", str(root_key)]), capture_output=True)
                assert (probe.returncode == 0) is found, unit
        finally:
            archivist.kill()


ORDER = (ARCHIVE, GOVERN, GATE, CONSOLE)
PASSWORD = "correct horse battery staple"


@pytest.mark.req("UPD-P5-1")
def test_all_users_serve_and_record_together_and_the_gate_cannot_read_the_record(machine):
    running = {}
    try:
        for unit, metrics in zip(ORDER, machine.metrics, strict=True):
            running[unit] = machine.start(unit, metrics)
            machine.until_ready(role_of(unit), running[unit])
        machine.run("user", "add", "yamada", "--proxy-password-stdin", stdin="pass-yamada-12345\n")
        assert answer(f"http://127.0.0.1:{machine.web}/healthz") == 200
        deadline = time.monotonic() + 30
        while "yamada" not in machine.run("log", "list", "--json"):
            assert time.monotonic() < deadline, machine.logs()
            connect(machine.gate, "yamada:pass-yamada-12345", "chatgpt.com:8443")
            time.sleep(0.3)
        assert list((machine.keys / "archive/logs").glob("*.key")), "no tree has a key"
        the_api_works(machine)
        machine.run("user", "add", "sato")
        basis = ("--basis", "appi-35: 請求 2026-15", "--approver", "sato")
        machine.run("erase", "--subject", "yamada", *basis, "--yes")
        assert "erased" in machine.run("log", "list", "--json")
        machine.run("verify")
        for path in (machine.data / "sekimori.db", machine.data / "sekimori.db-wal"):
            reading = subprocess.run(machine.as_user(GATE, ["cat", str(path)]), capture_output=True)
            assert reading.returncode != 0, path
    finally:
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        codes = {role_of(unit): process.wait(60) for unit, process in running.items()}
    assert set(codes.values()) == {0}, machine.logs()


def the_api_works(machine):
    """Sign in, read what the archive's keys open, and see that nobody else reaches the socket."""
    options = ("--group", "soumu", "--role", "security_officer", "--password-stdin")
    machine.run("user", "add", "saki", *options, stdin=f"{PASSWORD}\n")
    base = f"http://127.0.0.1:{machine.web}/api/v1"
    body = json.dumps({"name": "saki", "password": PASSWORD}).encode()
    with ask(f"{base}/session", body, {"content-type": "application/json"}) as signed_in:
        cookie = signed_in.headers["set-cookie"].partition(";")[0]
    with ask(f"{base}/log/records", None, {"cookie": cookie}) as listed:
        assert "yamada" in {row["user"] for row in json.load(listed)["items"]}, machine.logs()
    with ask(f"{base}/compliance", None, {"cookie": cookie}) as told:
        assert json.load(told)["rows"]
    socket_file = machine.data / "govern/api.sock"
    assert stat.S_IMODE(socket_file.stat().st_mode) == 0o660
    assert socket_file.stat().st_gid == machine.groups["sekimori-govern"]
    program = f"import socket; socket.socket(socket.AF_UNIX).connect({str(socket_file)!r})"
    for unit, reached in ((GATE, False), (CONSOLE, True)):
        command = seeing_python(
            machine.root / "aside", machine.as_user(unit, [sys.executable, "-c", program])
        )
        assert (subprocess.run(command, capture_output=True).returncode == 0) is reached, unit


def ask(url, body, headers):
    request = urllib.request.Request(url, body, headers)
    return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30)


def answer(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as response:
        return response.status


def connect(port, credentials, target):
    """Ask for a tunnel that is always refused, and recorded: no AI service is on such a port."""
    import base64
    import socket

    token = base64.b64encode(credentials.encode()).decode()
    request = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\nProxy-Authorization: Basic {token}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(request.encode())
        return client.recv(4096)
