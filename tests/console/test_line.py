"""The way to the governing process over real Unix sockets: what is handed on, and every way to get no answer."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from sekimori.console.forwarding import passing
from sekimori.console.line import Answer, Line, Silent

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n\r\nhi"


class Peer:
    """Listens at a socket, keeps what it is sent, and answers as it is told."""

    def __init__(self, path: Path, answer: Callable[[socket.socket], None]) -> None:
        self.heard = b""
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError), self._listener.accept()[0] as met:
            met.settimeout(5)
            while not self._whole():
                if not (more := met.recv(65536)):
                    return
                self.heard += more
            with contextlib.suppress(OSError):
                self._answer(met)

    def _whole(self) -> bool:
        head, blank, body = self.heard.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
        return bool(blank) and len(body) >= int(length or b"0")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # A socket's path has 107 bytes; pytest's own folders may be deeper than that.
    monkeypatch.chdir(tmp_path)
    return Path("api.sock")


@pytest.fixture
def peer(path: Path) -> Iterator[Callable[[Callable[[socket.socket], None]], Peer]]:
    made: list[Peer] = []

    def answering(answer: Callable[[socket.socket], None]) -> Peer:
        made.append(Peer(path, answer))
        return made[-1]

    yield answering
    for each in made:
        each.close()


def counted(result: str) -> float:
    return REGISTRY.get_sample_value("sekimori_governing_calls_total", {"result": result}) or 0.0


def ask(path: Path, *, timeout_s: float = 5.0, body: bytes = b"") -> Answer:
    line = Line(path, Path.cwd(), timeout_s=timeout_s)
    return line.ask("POST", "/api/v1/x?y=%20", (("cookie", "c=1"), ("x-word", "é")), body)


def test_a_request_arrives_whole_and_its_answer_comes_back_with_every_header(path, peer):
    met = peer(lambda each: each.sendall(HELLO))
    before = counted("answered")
    told = ask(path, body=b"{}")
    assert (told.status, told.body) == (200, b"hi")
    assert [value for name, value in told.headers if name == "set-cookie"] == ["a=1", "b=2"]
    head = met.heard.split(b"\r\n")
    assert head[0] == b"POST /api/v1/x?y=%20 HTTP/1.1"
    assert {b"host: localhost", b"cookie: c=1", "x-word: é".encode("latin-1"), b"content-length: 2"} <= set(
        head
    )
    assert counted("answered") == before + 1


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        pytest.param(lambda met: met.close(), "broken", id="it hangs up"),
        pytest.param(lambda met: met.sendall(b"what?\r\n\r\n"), "broken", id="it speaks something else"),
        pytest.param(lambda met: met.sendall(HELLO[:-1]), "broken", id="its answer breaks off"),
        pytest.param(lambda met: met.recv(1), "silent", id="it says nothing"),
    ],
)
def test_whoever_answers_badly_has_not_answered(path, peer, answer, result):
    peer(answer)
    before = counted(result)
    with pytest.raises(Silent) as silent:
        ask(path, timeout_s=0.3)
    assert silent.value.result == result
    assert counted(result) == before + 1


def test_nobody_there_and_a_socket_that_was_left_behind_are_the_same(path):
    for leave in (False, True):
        if leave:
            with socket.socket(socket.AF_UNIX) as left:
                left.bind(str(path))
        with pytest.raises(Silent) as silent:
            ask(path)
        assert silent.value.result == "absent"


def test_another_user_who_listens_gets_no_password(path, peer, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to somebody else")
    theirs = tmp_path / "policy"
    theirs.mkdir()
    os.chown(theirs, 12345, -1)
    met = peer(lambda each: each.sendall(HELLO))
    for owner in (theirs, tmp_path / "nowhere"):
        with pytest.raises(Silent) as silent:
            Line(path, owner).ask("POST", "/api/v1/session", (), b"{}")
        assert silent.value.result == "stranger"
        assert met.heard == b""


@pytest.mark.parametrize(
    ("headers", "passed"),
    [
        pytest.param(
            [("Cookie", "a"), ("COOKIE", "b")], [("cookie", "a"), ("cookie", "b")], id="twice is twice"
        ),
        pytest.param(
            [("Connection", "close, X-Hop"), ("x-hop", "1"), ("x-far", "2")], [("x-far", "2")], id="named"
        ),
        pytest.param(
            [
                (name, "x")
                for name in ("TE", "Trailer", "Transfer-Encoding", "Upgrade", "Keep-Alive", "Expect")
            ],
            [],
            id="hop by hop",
        ),
        pytest.param([("Proxy-Authorization", "Basic x"), ("Proxy-Connection", "x")], [], id="for a proxy"),
        pytest.param(
            [("X-Sekimori-Client", "10.0.0.1"), ("Host", "x"), ("Content-Length", "9")], [], id="ours"
        ),
    ],
)
def test_what_belongs_to_one_connection_stays_on_it(headers, passed):
    assert list(passing(headers)) == passed
