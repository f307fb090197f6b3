"""A real OpenLDAP server on a loopback port, with a configuration and a database of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from support.installation import free_ports
from support.standin.certificates import make

SLAPD = Path("/usr/sbin/slapd")
BASE = "dc=example,dc=jp"
ADMIN = f"cn=gate,{BASE}"
SECRET = "the-gate-may-search"
_ACCOUNT = "nobody"

_CONFIG = """\
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile {folder}/slapd.pid
TLSCACertificateFile {ca}
TLSCertificateFile {pem}
TLSCertificateKeyFile {pem}
database mdb
suffix "{base}"
rootdn "{admin}"
rootpw {secret}
directory {folder}/db
index objectClass,uid,member eq
access to attrs=userPassword by anonymous auth by * none
access to * by * none
"""

_TREE = """\
dn: {base}
objectClass: dcObject
objectClass: organization
o: example
dc: example

dn: ou=people,{base}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{base}
objectClass: organizationalUnit
ou: groups
"""


def person(name: str, password: str, *, cn: str = "") -> str:
    """Write a person as LDIF."""
    return (
        f"dn: uid={name},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {name}\n"
        f"cn: {cn or name}\nsn: {name}\nuserPassword: {password}\n"
    )


def person_dn(name: str) -> str:
    """Name a person."""
    return f"uid={name},ou=people,{BASE}"


def group_dn(name: str) -> str:
    """Name a group."""
    return f"cn={name},ou=groups,{BASE}"


def group(name: str, *members: str) -> str:
    """Write a group as LDIF; a member is a whole name."""
    listed = "".join(f"member: {member}\n" for member in members)
    return f"dn: {group_dn(name)}\nobjectClass: groupOfNames\ncn: {name}\n{listed}"


@dataclass(slots=True)
class Slapd:
    """One server; ``start`` and ``stop`` may be repeated, the database stays."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="slapd-")))
    process: subprocess.Popen[bytes] | None = None
    port: int = 0
    tls_port: int = 0

    def __post_init__(self) -> None:
        self.port, self.tls_port = free_ports(2)
        (self.folder / "db").mkdir()
        make(self.folder / "tls", ["localhost"])
        text = _CONFIG.format(
            folder=self.folder,
            base=BASE,
            admin=ADMIN,
            secret=SECRET,
            ca=self.ca,
            pem=self.folder / "tls" / "standin.pem",
        )
        (self.folder / "slapd.conf").write_text(text, "utf-8")
        self.secret.write_text(SECRET + "\n", "utf-8")
        self.secret.chmod(0o600)
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.rglob("*")):
                shutil.chown(path, _ACCOUNT)

    @property
    def ca(self) -> Path:
        """Whom its certificate is from."""
        return self.folder / "tls" / "standin-ca.pem"

    @property
    def secret(self) -> Path:
        """The file with the password of the one who may search."""
        return self.folder / "secret"

    def start(self) -> None:
        """Serve, and return once it answers."""
        urls = f"ldap://127.0.0.1:{self.port} ldaps://127.0.0.1:{self.tls_port}"
        account = ["-u", _ACCOUNT] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            [str(SLAPD), "-d", "0", "-f", str(self.folder / "slapd.conf"), "-h", urls, *account],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                assert self.process.stderr is not None
                raise AssertionError(self.process.stderr.read().decode())
            if all(_listens(port) for port in (self.port, self.tls_port)):
                return
            time.sleep(0.05)
        raise AssertionError("slapd did not start")

    def stop(self) -> None:
        """End it."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            if self.process.stderr is not None:
                self.process.stderr.close()
            self.process = None

    def add(self, *entries: str) -> None:
        """Add entries."""
        self._run("ldapadd", "\n".join(entries))

    def modify(self, ldif: str) -> None:
        """Change or delete entries."""
        self._run("ldapmodify", ldif)

    def _run(self, program: str, ldif: str) -> None:
        url = f"ldap://127.0.0.1:{self.port}"
        done = subprocess.run(
            [program, "-x", "-H", url, "-D", ADMIN, "-w", SECRET],
            input=ldif.encode(),
            capture_output=True,
            timeout=20,
        )
        assert done.returncode == 0, done.stderr.decode()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def filled() -> Slapd:
    """Start a server with an empty organisation in it."""
    server = Slapd()
    server.start()
    server.add(_TREE.format(base=BASE))
    return server
