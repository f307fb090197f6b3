"""A tree of child processes that is started, kept up, drained and never outlived.

Children are named by their command lines; each has a session of its own, so that Ctrl-C reaches
the supervisor alone, which then drains them in order. A child that dies is started again after a
pause that grows. What the children do is no business of this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

READY_FD = "SEKIMORI_READY_FD"
_CRASH_LOOP = 5
_CRASH_WINDOW = 30.0
_HURRIED = 0.5
_STDERR = 2


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """One child: its command line, what it reads on standard input, the descriptors it inherits.

    ``announces``: it writes a byte to the descriptor named by ``SEKIMORI_READY_FD`` once it serves.
    ``after``: the children that must serve first. ``stage``: lower stages are drained before higher.
    """

    name: str
    argv: tuple[str, ...]
    stdin: bytes = b""
    fds: tuple[int, ...] = ()
    announces: bool = False
    after: tuple[str, ...] = ()
    stage: int = 0
    drain: float = 10.0


@dataclass(frozen=True, slots=True)
class Death:
    """A child that ended although nobody had asked it to."""

    name: str
    pid: int
    code: int

    def __str__(self) -> str:
        how = f"killed by {signal.Signals(-self.code).name}" if self.code < 0 else f"exit {self.code}"
        return f"{self.name} (process {self.pid}) died: {how}"


@dataclass(slots=True)
class _Child:
    spec: ChildSpec
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=_CRASH_LOOP))


class Supervisor:
    """Starts the children, restarts what dies, drains all of them when asked to stop."""

    def __init__(
        self,
        *,
        say: Callable[[str], None],
        on_death: Callable[[Death], None] = lambda _death: None,
        environment: Mapping[str, str] | None = None,
        pauses: tuple[float, float] = (0.1, 5.0),
    ) -> None:
        self._say = say
        self._on_death = on_death
        self._environment = dict(os.environ if environment is None else environment)
        self._first_pause, self._longest_pause = pauses
        self._children: dict[str, _Child] = {}
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        # Python makes both ends close-on-exec; only the read end is passed on, by name.
        self.lifeline_fd, self._lifeline_end = os.pipe()

    def add(self, spec: ChildSpec) -> None:
        """Take charge of a child; it is started by ``run``."""
        if spec.name in self._children:
            raise ValueError(f"two children are named {spec.name}")
        self._children[spec.name] = _Child(spec)

    def names(self) -> tuple[str, ...]:
        """Name all children, running or not."""
        return tuple(self._children)

    def pids(self) -> dict[str, int]:
        """Name the children that run now, with their process ids."""
        return {
            name: child.process.pid
            for name, child in self._children.items()
            if child.process is not None and child.process.returncode is None
        }

    def stop(self) -> None:
        """Begin to drain; a second call no longer waits for work in hand."""
        if self._stopping.is_set():
            self._hurry.set()
        self._stopping.set()

    async def ready(self, *names: str) -> bool:
        """Wait until the named children serve; False when the tree is stopped before."""
        stopped = asyncio.create_task(self._stopping.wait())
        for name in names:
            serves = asyncio.create_task(self._children[name].ready.wait())
            await asyncio.wait({serves, stopped}, return_when=asyncio.FIRST_COMPLETED)
            serves.cancel()
        stopped.cancel()
        return not self._stopping.is_set()

    async def run(self) -> None:
        """Keep the children running until ``stop`` is called and all of them have ended."""
        keepers = {
            name: asyncio.create_task(self._keep(child), name=f"keep {name}")
            for name, child in self._children.items()
        }
        try:
            await self._stopping.wait()
            for stage in sorted({child.spec.stage for child in self._children.values()}):
                members = [child for child in self._children.values() if child.spec.stage == stage]
                await asyncio.gather(*(self._drain(child, keepers[child.spec.name]) for child in members))
        finally:
            self._stopping.set()
            for task in keepers.values():
                task.cancel()
            await asyncio.gather(*keepers.values(), return_exceptions=True)
            self._kill_left()
            os.close(self._lifeline_end)
            os.close(self.lifeline_fd)

    async def _keep(self, child: _Child) -> None:
        if child.spec.after and not await self.ready(*child.spec.after):
            return
        pause = self._first_pause
        while not self._stopping.is_set():
            started = time.monotonic()
            death = await self._live(child)
            if self._stopping.is_set():
                return
            self._on_death(death)
            self._mention(child, death)
            if time.monotonic() - started > _CRASH_WINDOW:
                pause = self._first_pause
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, self._longest_pause)

    async def _live(self, child: _Child) -> Death:
        """Start the child once and wait for its end."""
        read_end, write_end = os.pipe()
        try:
            child.process = await asyncio.create_subprocess_exec(
                *child.spec.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=_STDERR,  # standard output belongs to what `up` itself prints
                pass_fds=(*child.spec.fds, self.lifeline_fd, write_end),
                env={**self._environment, READY_FD: str(write_end)},
                start_new_session=True,
            )
        except BaseException:
            os.close(read_end)
            raise
        finally:
            os.close(write_end)
        if self._stopping.is_set():  # asked to stop while the child was being made
            self._signal(child, signal.SIGTERM)
        announced = asyncio.create_task(self._announced(child, read_end))
        try:
            await child.process.communicate(child.spec.stdin)
        finally:
            announced.cancel()
            await asyncio.gather(announced, return_exceptions=True)
        return Death(child.spec.name, child.process.pid, child.process.returncode or 0)

    async def _announced(self, child: _Child, read_end: int) -> None:
        """Note that the child serves, at its first byte; a child that doesn't announce serves at once."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(read_end, "rb", buffering=0)
        )
        try:
            if not child.spec.announces or await reader.read(1):
                child.ready.set()
        finally:
            transport.close()

    def _mention(self, child: _Child, death: Death) -> None:
        child.deaths.append(time.monotonic())
        looping = len(child.deaths) == _CRASH_LOOP and child.deaths[-1] - child.deaths[0] < _CRASH_WINDOW
        if looping:
            child.deaths.clear()
            self._say(
                f"{death}; {_CRASH_LOOP} deaths within {_CRASH_WINDOW:.0f} s, it will not recover by itself."
            )
        else:
            self._say(f"{death}; starting it again.")

    async def _drain(self, child: _Child, keeper: asyncio.Task[None]) -> None:
        self._signal(child, signal.SIGTERM)
        hurried = asyncio.create_task(self._hurry.wait())
        await asyncio.wait({keeper, hurried}, timeout=child.spec.drain, return_when=asyncio.FIRST_COMPLETED)
        if not keeper.done() and hurried.done():
            await asyncio.wait({keeper}, timeout=_HURRIED)
        hurried.cancel()
        if not keeper.done():
            self._say(f"{child.spec.name} did not end in time and is killed.")
            self._signal(child, signal.SIGKILL)
            await asyncio.wait({keeper})

    def _kill_left(self) -> None:
        for child in self._children.values():
            self._signal(child, signal.SIGKILL)

    @staticmethod
    def _signal(child: _Child, number: signal.Signals) -> None:
        if child.process is not None and child.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.process.send_signal(number)


@contextlib.contextmanager
def signals_stop(supervisor: Supervisor) -> Iterator[None]:
    """Let SIGTERM and SIGINT stop the tree while the block runs; a terminal that closes changes nothing."""
    loop = asyncio.get_running_loop()
    handlers = {signal.SIGTERM: supervisor.stop, signal.SIGINT: supervisor.stop, signal.SIGHUP: lambda: None}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
