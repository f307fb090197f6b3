"""A stand-in for a transit service: the five calls, keys in memory, the refusals of the real one."""

from __future__ import annotations

import json
import os
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


class Transit:
    """What the service holds, and what it was asked."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.keys: dict[str, bytes] = {"somebody-elses": bytes(32)}
        self.deletable: set[str] = set()
        self.asked: list[str] = []
        self.answer_with: bytes | None = None

    def call(self, method: str, path: str, asked: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        """Answer one call of ``/v1/transit``."""
        verb, _, name = path.partition("/")
        if (method, verb, name) == ("LIST", "keys", ""):
            return 200, {"keys": list(self.keys)}
        if (method, verb) == ("POST", "keys") and name.endswith("/config"):
            self.deletable.add(name.removesuffix("/config"))
            return 204, None
        if (method, verb) == ("POST", "keys"):
            self.keys.setdefault(name, os.urandom(32))
            return 200, {}
        if name not in self.keys:
            return 400, None
        if (method, verb) == ("DELETE", "keys"):
            if name not in self.deletable:
                return 400, None
            del self.keys[name]
            return 204, None
        return self._crypt(verb, AESGCM(self.keys[name]), asked)

    def _crypt(self, verb: str, key: AESGCM, asked: dict[str, Any]) -> tuple[int, dict[str, Any] | None]:
        place = b64decode(asked["associated_data"])
        if verb == "encrypt":
            sealed = bytes(12) + key.encrypt(bytes(12), b64decode(asked["plaintext"]), place)
            return 200, {"ciphertext": "vault:v1:" + b64encode(sealed).decode()}
        try:
            sealed = b64decode(asked["ciphertext"].removeprefix("vault:v1:"), validate=True)
            return 200, {"plaintext": b64encode(key.decrypt(sealed[:12], sealed[12:], place)).decode()}
        except (InvalidTag, ValueError):
            return 400, None


@contextmanager
def serving(token: str) -> Iterator[tuple[str, Transit]]:
    """Serve on loopback and give the address."""
    transit = Transit(token)

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            asked = json.loads(self.rfile.read(length) or b"{}")
            transit.asked.append(f"{self.command} {self.path}")
            status, data = 403, None
            if self.headers.get("X-Vault-Token") == transit.token:
                path = self.path.removeprefix("/v1/transit/")
                status, data = transit.call(self.command, path, asked)
            body = b"" if status == 204 else json.dumps({"data": data}).encode()
            if transit.answer_with is not None:
                status, body = 200, transit.answer_with
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    for method in ("LIST", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._answer)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", transit
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
