"""Run the tree: what happens around the children from the first look at the folder to the last drain."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sekimori.cli import checks, clock, exposition, keeping
from sekimori.cli.compiling import check_hosts
from sekimori.cli.config import Config
from sekimori.cli.greeting import Greeting
from sekimori.cli.identity_checks import check_identity
from sekimori.cli.local_listener import local_listener
from sekimori.cli.notify import notify
from sekimori.cli.opened import now_us
from sekimori.cli.places import Places
from sekimori.cli.supervisor import Death, Supervisor, signals_stop
from sekimori.cli.terminal import say
from sekimori.cli.tree import KEYS_OF, ROLES, Addresses, Listeners, children, count_roles, role_of
from sekimori.errors import StateError

_TICK = 2.0
_PUBLISHED = ("current.json", "standing.json", "issuing.pem")


@dataclass(frozen=True, slots=True)
class Installation:
    """What is run, where, and how it is configured."""

    config: Config
    places: Places
    roles: tuple[str, ...] = ROLES

    @property
    def part(self) -> tuple[str, ...]:
        """The roles, where they are not the whole tree."""
        return () if self.roles == ROLES else self.roles

    @property
    def clock(self) -> Path:
        """The file that remembers the time."""
        return self.places.clock(self.part)


def prepare(installation: Installation, stack: ExitStack) -> bool:
    """Check the folders and hold them for as long as ``stack`` is open; say whether nothing is there yet."""
    places = installation.places
    # Roles that run apart may have users of their own; what they share goes through a group.
    os.umask(0o007 if installation.part else 0o077)
    if installation.part and not places.format.exists():
        raise StateError(
            f"There is no Sekimori installation in {places.data}.", hint="Make one with: sekimori init"
        )
    checks.check_apart(places)
    checks.check_folder(places.data, "--data")
    checks.check_folder(places.keys, "--keys", write=not installation.part)
    stack.enter_context(checks.only_one(places, installation.part))
    first = checks.is_first_start(places)
    checks.check_keys(
        places, first=first, folders=[folder for role in installation.part for folder in KEYS_OF[role]]
    )
    clock.check(installation.clock, now_us())
    return first


def open_listeners(installation: Installation, stack: ExitStack) -> Listeners:
    """Bind every address of the roles before any child starts."""
    config, roles = installation.config, installation.roles
    wanted = {
        "gate": (config.gate.listen, "gate", "--listen", "gate" in roles),
        "console": (config.console.listen, "web server", "--console", "console" in roles),
        "metrics": (config.metrics.listen, "metrics endpoint", "--metrics", True),
    }
    opened = {
        name: stack.enter_context(checks.listen(address, who=who, option=option))
        for name, (address, who, option, needed) in wanted.items()
        if needed
    }
    if "govern" in roles:
        opened["govern"] = stack.enter_context(local_listener(installation.places.governing_socket))
    return Listeners(**opened)


def run(installation: Installation, first_start: Callable[[Installation, Addresses], Greeting]) -> None:
    """Run the tree until it is told to stop."""
    check_hosts(installation.config)
    checks.check_outside(installation.config)
    if "gate" in installation.roles:
        check_identity(installation.config)
    with ExitStack() as stack:
        first = prepare(installation, stack)
        listeners = open_listeners(installation, stack)
        exposition.prepare(installation.places.metrics(installation.part))
        addresses = Addresses.of(installation.config, listeners)
        if first:
            greeting = first_start(installation, addresses)
        else:
            keeping.complete(installation.places, installation.roles)
            if "archive" in installation.roles:
                checks.check_ledger(installation.places, installation.config)
            greeting = Greeting.again(addresses, installation.roles)
        asyncio.run(_Tree(installation, listeners, greeting).run())


def make_only(installation: Installation, first_start: Callable[[Installation, Addresses], Greeting]) -> None:
    """Do what a first start does before it serves, unless it was done already."""
    with ExitStack() as stack:
        if not prepare(installation, stack):
            keeping.complete(installation.places, installation.roles)
        else:
            first_start(installation, Addresses.of(installation.config, Listeners())).made().show()


class _Tree:
    """The supervisor and what runs beside it: clock, figures, readiness."""

    def __init__(self, installation: Installation, listeners: Listeners, greeting: Greeting) -> None:
        from sekimori import metrics

        self._metrics = metrics
        self._installation = installation
        self._listeners = listeners
        self._greeting = greeting
        self._clock_was_wrong = False
        self._supervisor = Supervisor(say=say, on_death=self._died)
        policy = installation.places.policy
        for spec in children(
            installation.roles,
            config=installation.config,
            places=installation.places,
            listeners=listeners,
            lifeline_fd=self._supervisor.lifeline_fd,
            published=all((policy / name).exists() for name in _PUBLISHED),
        ):
            self._supervisor.add(spec)

    async def run(self) -> None:
        """Keep everything up until a signal ends it."""
        if self._listeners.metrics is None:
            raise RuntimeError("the metrics endpoint has no socket")
        server = exposition.serve(self._listeners.metrics)
        beside = [asyncio.create_task(self._tick()), asyncio.create_task(self._greet())]
        for task in beside:
            task.add_done_callback(self._stop_if_failed)
        try:
            with signals_stop(self._supervisor):
                await self._supervisor.run()
        finally:
            notify("STOPPING=1", os.environ)
            for task in beside:
                task.cancel()
            await asyncio.to_thread(server.shutdown)
        for outcome in await asyncio.gather(*beside, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    def _stop_if_failed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._supervisor.stop()

    def _died(self, death: Death) -> None:
        self._metrics.RESTARTS.labels(role_of(death.name)).inc()
        exposition.forget(death.pid)

    async def _tick(self) -> None:
        while True:
            self._watch_clock()
            for role, running in count_roles(self._supervisor.names(), self._supervisor.pids()).items():
                self._metrics.CHILDREN.labels(role).set(running)
            await asyncio.sleep(_TICK)

    def _watch_clock(self) -> None:
        try:
            behind_us = clock.remember(self._installation.clock, now_us())
        except OSError as error:  # a full disk is for the gate to refuse; the tree must outlive it
            say(f"The time cannot be remembered: {error.strerror}.")
            return
        wrong = behind_us > clock.TOLERANCE_US
        if wrong and not self._clock_was_wrong:
            seconds = behind_us / 1e6
            say(f"The clock stepped back {seconds:.0f} s; AI traffic is refused until it is right.")
        self._clock_was_wrong = wrong

    async def _greet(self) -> None:
        if await self._supervisor.ready(*self._supervisor.names()):
            self._greeting.show()
            notify("READY=1", os.environ)
