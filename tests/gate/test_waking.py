"""The event loop that other threads wake only while it sleeps: no call is lost, and a busy loop gets no byte."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from sekimori.gate.waking import WakingEventLoop


class CountingLoop(WakingEventLoop):
    """Counts the bytes that wake it."""

    def __init__(self) -> None:
        self.bytes = 0
        super().__init__()

    def _write_to_self(self) -> None:
        if self._waiting.asleep:
            self.bytes += 1
        super()._write_to_self()


def run(work: Callable[[CountingLoop], Coroutine[Any, Any, None]]) -> CountingLoop:
    loop = CountingLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(work(loop))
    return loop


def test_a_call_from_another_thread_wakes_a_loop_that_sleeps_without_end():
    async def work(loop):
        called = asyncio.Event()
        # Nothing else is due for an hour: only the byte can end the loop's sleep.
        loop.call_later(3600, called.clear)

        def call() -> None:
            deadline = time.monotonic() + 30
            while not loop._waiting.asleep and time.monotonic() < deadline:
                time.sleep(0.001)
            loop.call_soon_threadsafe(called.set)

        thread = threading.Thread(target=call)
        thread.start()
        async with asyncio.timeout(60):
            await called.wait()
        thread.join()

    assert run(work).bytes == 1


def test_a_call_that_comes_while_the_loop_works_is_made_and_costs_no_byte():
    async def work(loop):
        called = asyncio.Event()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(called.set,))
        before = loop.bytes
        thread.start()
        thread.join()  # blocks the loop: it works, and is not asleep
        assert loop.bytes == before
        async with asyncio.timeout(60):
            await called.wait()

    run(work)


def test_a_call_that_comes_when_the_loop_has_looked_and_is_not_yet_asleep_is_made_at_once():
    async def work(loop):
        select = loop._waiting.select
        late: list[threading.Thread] = []

        def with_a_call_before(timeout: float | None = None) -> Any:
            if not late and (timeout is None or timeout > 0):
                late.append(threading.Thread(target=loop.call_soon_threadsafe, args=(called.set,)))
                late[0].start()
                late[0].join()
            return select(timeout)

        called = asyncio.Event()
        loop._waiting.select = with_a_call_before
        async with asyncio.timeout(20):
            await called.wait()
        assert late
        assert loop.bytes == 0

    run(work)


@pytest.mark.parametrize("seed", range(8))
def test_no_call_is_lost_whenever_threads_make_them(seed):
    """Ten threads call at any moment, each waiting for its answer before it calls again."""
    calls = 300

    async def work(loop):
        dice = random.Random(seed)
        pauses = [[dice.choice((0.0, 0.0, 0.00005, 0.0005)) for _ in range(calls)] for _ in range(10)]
        unanswered: list[int] = []

        def call(mine: list[float]) -> None:
            for number, pause in enumerate(mine):
                if pause:
                    time.sleep(pause)
                answered = threading.Event()
                loop.call_soon_threadsafe(answered.set)
                if not answered.wait(30):
                    unanswered.append(number)
                    return

        await asyncio.gather(*(asyncio.to_thread(call, mine) for mine in pauses))
        assert not unanswered

    run(work)


def test_a_signal_wakes_the_loop_as_ever():
    async def work(loop):
        told = asyncio.Event()
        loop.add_signal_handler(signal.SIGUSR1, told.set)
        try:
            threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            async with asyncio.timeout(60):
                await told.wait()
        finally:
            loop.remove_signal_handler(signal.SIGUSR1)

    run(work)


def test_a_loop_that_was_told_to_stop_from_another_thread_stops():
    loop = CountingLoop()
    timer = threading.Timer(0.05, loop.call_soon_threadsafe, (loop.stop,))
    timer.start()
    loop.run_forever()
    timer.join()
    loop.close()
    assert loop.is_closed()
