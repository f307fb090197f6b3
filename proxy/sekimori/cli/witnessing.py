"""A witness's folder and its server: what ``sekimori witness`` does.

::

    name         what it is called
    witness.key  its private key
    memory.db    its logs, and of each what it cosigned last

Nothing of an installation of Sekimori is needed or read here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvicorn

from sekimori.cli.checks import bound, listen
from sekimori.cli.notify import notify
from sekimori.cli.terminal import say
from sekimori.cli.units import Address, parse_address
from sekimori.errors import IntegrityError, StateError, UsageError
from sekimori.ledger.files import replace_file
from sekimori.ledger.tlog.checkpoint import log_verifier
from sekimori.ledger.tlog.keys import KEY_BYTES, KeySigner, PublicKey, parse_ssh_line
from sekimori.ledger.tlog.note import COSIGNATURE, Verifier, cosign_note, parse_vkey
from sekimori.ledger.witness.app import ShortLived, create_app
from sekimori.ledger.witness.memory import WitnessMemory
from sekimori.ledger.witness.service import Witness
from sekimori.vault.files import make_folder, read_secret, write_secret
from sekimori.vault.keyfile import key_from_text, key_to_text

_NAME, _KEY, _MEMORY = "name", "witness.key", "memory.db"
_KIND = "witness-private"
_HANDSHAKE_SECONDS = 10.0
_KEEP_ALIVE_S = 5
_DRAIN_S = 5
_MAX_KEY_FILE = 4096


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a witness listens, and with which certificate."""

    address: Address
    cert: Path | None = None
    key: Path | None = None

    @classmethod
    def of(cls, text: str, cert: Path | None, key: Path | None, *, plain: bool) -> Listening:
        """Read the options; raises UsageError for what would cross a network unprotected by accident."""
        try:
            address = parse_address(text)
        except ValueError as error:
            raise UsageError(f"--listen: {error}.") from error
        if (cert is None) != (key is None):
            raise UsageError("A certificate and its key belong together: --tls-cert and --tls-key.")
        if cert is None and not address.loopback and not plain:
            raise UsageError(
                f"{address} is beyond loopback.",
                hint="Give --tls-cert and --tls-key, or --allow-plain-listener where TLS ends in front of it.",
            )
        return cls(address, cert, key)


def make(folder: Path, name: str) -> Verifier:
    """Make a witness; raises StateError if the folder has one."""
    make_folder(folder)
    if (folder / _KEY).exists():
        raise StateError(f"There is a witness in {folder} already; nothing was changed.")
    signer = KeySigner(private := os.urandom(KEY_BYTES))
    try:
        cosign_note("\n", name, signer, time=0)
    except IntegrityError as error:
        raise UsageError(
            f"{name!r} is no name for a witness.", hint="Write one as witness.example/w1."
        ) from error
    # The memory first: a key without one would be a witness that lost it. What a crash left has no key yet.
    memory = folder / _MEMORY
    (WitnessMemory(memory) if memory.exists() else WitnessMemory.create(memory)).close()
    replace_file(folder / _NAME, f"{name}\n".encode())
    write_secret(folder / _KEY, key_to_text(_KIND, private))
    return verifier(folder)


def verifier(folder: Path) -> Verifier:
    """Return who checks the witness's signatures."""
    name, signer = _identity(folder)
    return Verifier(name, COSIGNATURE, PublicKey(signer.public))


def load(folder: Path) -> Witness:
    """Open a witness; raises StateError where its key or its memory is missing."""
    name, signer = _identity(folder)
    return Witness(name, signer, WitnessMemory(folder / _MEMORY), lambda: int(time.time()))


def _identity(folder: Path) -> tuple[str, KeySigner]:
    if not (folder / _KEY).exists():
        raise StateError(
            f"There is no witness in {folder}.", hint="Make one with: sekimori witness init NAME"
        )
    private = key_from_text(read_secret(folder / _KEY), _KIND, folder / _KEY)
    return (folder / _NAME).read_text(encoding="utf-8").strip(), KeySigner(private)


def add(folder: Path, log: str) -> Verifier:
    """Accept a log; ``log`` is its key or the file with it."""
    text = log
    if Path(log).is_file():
        text = Path(log).read_bytes()[:_MAX_KEY_FILE].decode("ascii", "replace")
    text = text.strip()
    try:
        added = log_verifier(parse_ssh_line(text)) if text.startswith("ssh-") else parse_vkey(text)
    except IntegrityError as error:
        raise UsageError(f"{log!r} is no verifier key and no file with one: {error.message}") from error
    if added.kind == COSIGNATURE:
        raise UsageError(f"{added.name} is the key of a witness, not of a log.")
    memory = WitnessMemory(folder / _MEMORY)
    memory.add_log(added)
    memory.close()
    return added


def listed(folder: Path, *, as_json: bool) -> Iterator[str]:
    """Describe the logs, a line each."""
    memory = WitnessMemory(folder / _MEMORY)
    for origin in memory.logs():
        known = memory.latest(origin)
        size = known.checkpoint.size if known else 0
        when = datetime.fromtimestamp(known.time, UTC).isoformat() if known else "never"
        if as_json:
            yield json.dumps({"origin": origin, "size": size, "cosigned": when if known else None})
        else:
            yield f"{origin}  {size}  {when}"
    memory.close()


def run(folder: Path, listening: Listening) -> None:
    """Serve until told to stop."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s witness %(levelname)s %(message)s")
    os.umask(0o077)
    witness = load(folder)
    listener = listen(listening.address, who="witness", option="--listen")
    scheme = "https" if listening.cert else "http"
    try:
        config = uvicorn.Config(
            create_app(witness),
            http=ShortLived,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_DRAIN_S,
            ssl_certfile=listening.cert,
            ssl_keyfile=listening.key,
        )
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise StateError(f"The certificate {listening.cert} or its key can't be used: {error}.") from error
    say(f"{witness.verifier.name} listens on {scheme}://{bound(listener)}")
    # uvicorn raises the signal again once it has drained: a handler of ours makes that an orderly end.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: None)
    with asyncio.Runner(loop_factory=_Loop) as runner:
        runner.run(_Announcing(config).serve(sockets=[listener]))


class _Announcing(uvicorn.Server):
    """A server that says when it serves."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell systemd."""
        await super().startup(sockets)
        notify("READY=1", os.environ)


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose servers don't wait for a handshake for a minute."""

    async def create_server(self, *arguments: Any, **options: Any) -> Any:
        """Serve."""
        if options.get("ssl") is not None:
            options["ssl_handshake_timeout"] = _HANDSHAKE_SECONDS
        return await super().create_server(*arguments, **options)
