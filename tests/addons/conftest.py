from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sekimori.addons.reply.answer import Answer


class Refuser:
    """An upstream that gives one answer to everything, and counts how often it was asked."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.asked = 0
        self.answer = Answer(500, (), b"")


@pytest.fixture
def refuser() -> Iterator[Refuser]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer_all(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            double.asked += 1
            self.send_response_only(double.answer.status)
            for name, value in double.answer.headers:
                self.send_header(name.decode(), value.decode())
            self.end_headers()
            self.wfile.write(double.answer.body)

        do_GET = do_POST = answer_all  # noqa: N815

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        double = Refuser(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield double
        server.shutdown()
        thread.join()
