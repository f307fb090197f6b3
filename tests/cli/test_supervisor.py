"""The supervised tree, with tiny real children."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import textwrap
import time

import pytest

from sekimori.cli.supervisor import ChildSpec, Supervisor

ANNOUNCE = """
import os, sys
os.write(int(os.environ["SEKIMORI_READY_FD"]), b"1")
"""
STAY = "import signal; signal.pause()"


def child(name, *scripts, **options):
    script = "\n".join(textwrap.dedent(part) for part in scripts)
    return ChildSpec(name, (sys.executable, "-I", "-c", script), **options)


class Notes:
    """Keeps what was said and which children died."""

    def __init__(self):
        self.said = []
        self.deaths = []


@contextlib.asynccontextmanager
async def running(*specs, **options):
    notes = Notes()
    tree = Supervisor(say=notes.said.append, on_death=notes.deaths.append, **options)
    for spec in specs:
        tree.add(spec)
    task = asyncio.create_task(tree.run())
    try:
        yield tree, notes, task
    finally:
        tree.stop()
        await asyncio.wait_for(task, 20)


async def until(what, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.02)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


async def test_a_child_that_dies_is_started_again_and_counted():
    async with running(child("one", ANNOUNCE, STAY, announces=True), pauses=(0.05, 0.2)) as (tree, notes, _):
        assert await tree.ready("one")
        first = tree.pids()["one"]
        os.kill(first, signal.SIGKILL)
        await until(lambda: tree.pids().get("one") not in (None, first))
        assert [(death.name, death.pid, death.code) for death in notes.deaths] == [("one", first, -9)]
        assert notes.said == [f"one (process {first}) died: killed by SIGKILL; starting it again."]


async def test_a_crash_loop_is_said_and_tried_on():
    async with running(child("sick", "raise SystemExit(3)"), pauses=(0.01, 0.05)) as (_, notes, _task):
        await until(lambda: len(notes.deaths) >= 7)
    assert sum("will not recover by itself" in line for line in notes.said) == 1
    assert "exit 3" in notes.said[0]


async def test_the_pause_between_restarts_grows():
    async with running(child("sick", "raise SystemExit(1)"), pauses=(0.3, 60.0)) as (_, notes, _task):
        await until(lambda: len(notes.deaths) == 3)
        assert notes.deaths  # 0.3 s and 0.6 s lie between three deaths; the next pause takes 1.2 s
        await asyncio.sleep(0.5)
        assert len(notes.deaths) == 3


async def test_each_child_leads_a_session_of_its_own():
    async with running(child("one", ANNOUNCE, STAY, announces=True)) as (tree, _, _task):
        await tree.ready("one")
        pid = tree.pids()["one"]
        assert os.getsid(pid) == pid
        assert os.getpgid(pid) != os.getpgid(0)


async def test_a_child_reads_what_it_is_told_on_standard_input(tmp_path):
    script = f"import sys; open({str(tmp_path / 'heard')!r}, 'w').write(sys.stdin.read())"
    async with running(child("one", script, ANNOUNCE, STAY, stdin=b"a secret", announces=True)) as (
        tree,
        _,
        _task,
    ):
        await tree.ready("one")
    assert (tmp_path / "heard").read_text() == "a secret"


async def test_children_serve_from_one_inherited_socket_and_a_restart_keeps_it():
    serve = """
    import socket, sys
    listener = socket.socket(fileno=int(sys.stdin.read()))
    while True:
        client, _ = listener.accept()
        client.sendall(b"hello")
        client.close()
    """
    listener = socket.create_server(("127.0.0.1", 0))
    fd = listener.fileno()
    spec = child("gate", ANNOUNCE, serve, stdin=str(fd).encode(), fds=(fd,), announces=True)

    async def ask():
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        try:
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()
            await writer.wait_closed()

    with listener:
        async with running(spec, pauses=(0.05, 0.2)) as (tree, notes, _task):
            assert await ask() == b"hello"
            os.kill(tree.pids()["gate"], signal.SIGKILL)
            await until(lambda: notes.deaths)
            assert await ask() == b"hello"


async def test_a_drain_lets_a_child_finish(tmp_path):
    script = f"""
    import signal, time, pathlib
    def finish(*_):
        time.sleep(0.3)
        pathlib.Path({str(tmp_path / "done")!r}).write_text("finished")
        raise SystemExit(0)
    signal.signal(signal.SIGTERM, finish)
    """
    async with running(child("one", script, ANNOUNCE, STAY, announces=True)) as (tree, notes, task):
        await tree.ready("one")
        tree.stop()
        await asyncio.wait_for(task, 10)
    assert (tmp_path / "done").read_text() == "finished"
    assert notes.deaths == []


async def test_lower_stages_are_drained_before_higher_ones(tmp_path):
    script = f"""
    import signal, time, pathlib, sys
    def finish(*_):
        time.sleep(0.2)
        with open({str(tmp_path / "order")!r}, "a") as order:
            order.write(sys.stdin.read())
        raise SystemExit(0)
    signal.signal(signal.SIGTERM, finish)
    """
    specs = [
        child("archive", script, ANNOUNCE, STAY, stdin=b"archive ", announces=True, stage=1),
        child("gate", script, ANNOUNCE, STAY, stdin=b"gate ", announces=True, stage=0),
    ]
    async with running(*specs) as (tree, _, task):
        await tree.ready("gate", "archive")
        tree.stop()
        await asyncio.wait_for(task, 10)
    assert (tmp_path / "order").read_text() == "gate archive "


DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"


async def test_a_child_that_does_not_drain_is_killed_at_its_deadline():
    async with running(child("deaf", DEAF, ANNOUNCE, STAY, STAY, announces=True, drain=0.3)) as (
        tree,
        notes,
        task,
    ):
        await tree.ready("deaf")
        pid = tree.pids()["deaf"]
        tree.stop()
        await asyncio.wait_for(task, 10)
        assert not alive(pid)
    assert notes.said == ["deaf did not end in time and is killed."]


async def test_a_second_signal_hurries():
    async with running(child("deaf", DEAF, ANNOUNCE, STAY, STAY, announces=True, drain=600)) as (
        tree,
        _,
        task,
    ):
        await tree.ready("deaf")
        tree.stop()
        await asyncio.sleep(0.1)
        tree.stop()
        await asyncio.wait_for(task, 10)


async def test_a_child_waits_for_the_one_it_comes_after(tmp_path):
    first = child("publisher", "import time; time.sleep(0.4)", ANNOUNCE, STAY, announces=True)
    second = child("gate", ANNOUNCE, STAY, announces=True, after=("publisher",))
    async with running(first, second) as (tree, _, _task):
        await until(lambda: "publisher" in tree.pids())
        assert "gate" not in tree.pids()
        assert await tree.ready("gate")


async def test_waiting_for_a_child_ends_when_the_tree_is_stopped():
    async with running(child("never", STAY, announces=True)) as (tree, _, _task):
        asyncio.get_running_loop().call_later(0.2, tree.stop)
        assert not await tree.ready("never")


async def test_two_children_may_not_share_a_name():
    tree = Supervisor(say=print)
    tree.add(child("one", STAY))
    with pytest.raises(ValueError, match="one"):
        tree.add(child("one", STAY))
    tree.stop()
    await tree.run()


SUPERVISOR = """
import asyncio, sys
from sekimori.cli.supervisor import ChildSpec, Supervisor

CHILD = '''
import os, sys, time
from sekimori.cli.lifeline import watch
watch(int(sys.stdin.read()), lambda: os._exit(0))
print(os.getpid(), file=sys.stderr, flush=True)
time.sleep(60)
'''

async def main():
    tree = Supervisor(say=print)
    tree.add(ChildSpec("one", (sys.executable, "-c", CHILD), stdin=str(tree.lifeline_fd).encode()))
    await tree.run()

asyncio.run(main())
"""


async def test_children_of_a_killed_supervisor_end_by_themselves():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SUPERVISOR, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    pid = int(await asyncio.wait_for(process.stderr.readline(), 20))
    assert alive(pid)
    process.kill()
    await process.wait()
    # The promise is one second; a busy test machine gets five.
    await until(lambda: not alive(pid), 5)
