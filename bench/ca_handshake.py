"""What a certificate chain costs in a TLS handshake, for the designs weighed in docs/adr/0002.

Each design is shown to a client by OpenSSL over loopback memory, so that bytes are exact and the two sides'
CPU can be told apart, and then over a loopback socket for the time that a client waits. Prints a table.

    python bench/ca_handshake.py            # about 15 seconds
"""

from __future__ import annotations

import argparse
import socket
import ssl
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sekimori.gate.ca import BACKDATED, Issuer, Root, authority_key_id, make_root
from sekimori.gate.leaf import LEAF_LIFE, LeafMint

HOST = "api.openai.com"
PEM = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Design:
    """A chain as a server would be configured with it."""

    name: str
    chain: bytes
    key: bytes
    certificates: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Bytes that the server sends, and medians in microseconds."""

    sent: int
    server: float
    client: float
    wall: float


def main() -> None:
    """Measure every design, alternating, and print one row each."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=60)
    options.add_argument("--hosts", type=int, default=700, help="names to cover in all")
    arguments = options.parse_args()
    root = make_root(ec.generate_private_key(ec.SECP256R1()), "Bench", datetime.now(UTC))
    designs = list(make_designs(root, names_to_cover(arguments.hosts)))
    print(f"{ssl.OPENSSL_VERSION}; {arguments.hosts} hosts; {arguments.rounds} handshakes each, alternating")
    heads = ("certs", "chain B", "sent B", "server us", "client us", "wall us")
    print(f"{'design':28}", *(f"{head:>9}" for head in heads))
    for design, cost in measure(designs, root, arguments.rounds):
        certs = x509.load_pem_x509_certificates(design.chain)
        size = sum(len(cert.public_bytes(serialization.Encoding.DER)) for cert in certs)
        figures = (design.certificates, size, cost.sent, cost.server, cost.client, cost.wall)
        print(f"{design.name:28}", *(f"{figure:9.0f}" for figure in figures))


def names_to_cover(count: int) -> list[tuple[str, bool]]:
    """Return ``count`` names of 16 bytes, the mean of the catalogue's, among them the one asked for."""
    return [(HOST, False), *((f"a{number:04}.ai.example", False) for number in range(1, count))]


def make_designs(root: Root, rules: list[tuple[str, bool]]) -> Iterator[Design]:
    """Yield the chains: no intermediate, shards of several sizes, one intermediate for everything."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    yield Design("none: leaf under the root", *bare_leaf(root, key, now), 0)
    for size in (8, 16, 24, 32, 64, 128, len(rules)):
        issuing_set = Issuer(root.key, root.cert, key.public_key(), names_per_shard=size).cover(rules, now)
        entry = LeafMint(key, issuing_set, lambda _: True, lambda: now).get(HOST)
        chain = entry.cert.to_pem() + b"".join(cert.to_pem() for cert in entry.chain_certs)
        name = "one constrained intermediate" if size == len(rules) else f"shards of {size}"
        yield Design(name, chain, encode(entry.privatekey), len(issuing_set.shards))


def bare_leaf(root: Root, key: ec.EllipticCurvePrivateKey, now: datetime) -> tuple[bytes, bytes]:
    """Return what mitmproxy would do, on P-256: a leaf signed by the root itself."""
    cert = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)]))
        .issuer_name(root.cert.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + LEAF_LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(authority_key_id(root.cert), critical=False)
        .sign(root.key, hashes.SHA256())
    )
    return cert.public_bytes(PEM), encode(key)


def encode(key: object) -> bytes:
    """Return a private key as PEM."""
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def measure(designs: list[Design], root: Root, rounds: int) -> Iterator[tuple[Design, Cost]]:
    """Return each design with its cost; rounds alternate so that a busy moment hits all of them."""
    client = ssl.create_default_context(cadata=root.cert.public_bytes(PEM).decode())
    servers = [server_context(design) for design in designs]
    samples: list[list[tuple[int, float, float, float]]] = [[] for _ in designs]
    for _ in range(rounds):
        for server, sample in zip(servers, samples, strict=True):
            sample.append((*in_memory(server, client), over_loopback(server, client)))
    for design, sample in zip(designs, samples, strict=True):
        sent, server_us, client_us, wall = zip(*sample, strict=True)
        yield (
            design,
            Cost(max(sent), *(statistics.median(part) * 1e6 for part in (server_us, client_us, wall))),
        )


def server_context(design: Design) -> ssl.SSLContext:
    """Return a server's context that shows the design's chain."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.pem"
        path.write_bytes(design.key + design.chain)
        context.load_cert_chain(path)
    return context


def in_memory(server: ssl.SSLContext, client: ssl.SSLContext) -> tuple[int, float, float]:
    """Shake hands once; return the server's bytes and the CPU seconds of server and client."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = {
        "client": client.wrap_bio(to_client, to_server, server_hostname=HOST),
        "server": server.wrap_bio(to_server, to_client, server_side=True),
    }
    spent, sent, unfinished = dict.fromkeys(sides, 0.0), 0, set(sides)
    while unfinished:
        for name, side in sides.items():
            before, pending = time.thread_time(), to_client.pending
            try:
                side.do_handshake()
                unfinished.discard(name)
            except ssl.SSLWantReadError:
                pass
            spent[name] += time.thread_time() - before
            sent += max(0, to_client.pending - pending)
    return sent, spent["server"], spent["client"]


def over_loopback(server: ssl.SSLContext, client: ssl.SSLContext) -> float:
    """Return how many seconds a client waits for a connection and its handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=answer, args=(listener, server))
        answering.start()
        before = time.perf_counter()
        with (
            socket.create_connection(listener.getsockname()) as plain,
            client.wrap_socket(plain, server_hostname=HOST) as secure,
        ):
            waited = time.perf_counter() - before
            secure.recv(1)
        answering.join()
    return waited


def answer(listener: socket.socket, server: ssl.SSLContext) -> None:
    """Accept one connection and shake hands."""
    connection, _ = listener.accept()
    with connection, server.wrap_socket(connection, server_side=True):
        pass


if __name__ == "__main__":
    main()
