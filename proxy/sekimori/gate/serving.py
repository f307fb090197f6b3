"""How the events of a connection become commands, and commands deeds: mitmproxy's ``server_event``, but for tasks.

mitmproxy makes a task of every hook and queues the end of each behind the connection's lock. Here what needs
no waiting is answered where it stands; a task is made only for a hook that waits, for a record to be durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from mitmproxy.proxy import commands, events, mode_servers, server
from mitmproxy.utils import asyncio_utils


def install() -> None:
    """Take the place of mitmproxy's own."""
    handler = mode_servers.ProxyConnectionHandler
    handler.handle_hook = handle_hook  # type: ignore[method-assign]
    handler.server_event = server_event  # type: ignore[method-assign]
    handler.drain_writers = drain_writers  # type: ignore[method-assign]


async def handle_hook(self: Any, hook: commands.StartHook) -> None:
    """Run a hook to its end."""
    rest = self.master.addons.start(hook)
    if rest is not None:
        await _wait_for(self, rest)


async def server_event(self: Any, event: events.Event) -> None:
    """Hand an event to the layers and carry out what they command."""
    async with self._server_event_lock:
        # No await beyond this point: an eager task in between would meet layers that are not done.
        self.timeout_watchdog.register_activity()
        waiting = deque((event,))
        try:
            while waiting:
                for command in self.layer.handle_event(waiting.popleft()):
                    if not isinstance(command, commands.StartHook):
                        _obey(self, command)
                    elif (rest := self.master.addons.start(command)) is not None:
                        asyncio_utils.create_task(_finish(self, command, rest), name="hook", keep_ref=True)
                    elif command.blocking:
                        waiting.append(events.HookCompleted(command))
        except Exception:  # noqa: BLE001 - the log ends the connection
            self.log("mitmproxy has crashed!", logging.ERROR, exc_info=True)


async def drain_writers(self: Any) -> None:
    """Wait for whoever reads slowly; where nobody does, spare the lock and a coroutine for each."""
    if not all(map(_is_drained, self.transports.values())):
        await _drain_all(self)


_drain_all: Callable[[Any], Awaitable[None]] = server.ConnectionHandler.drain_writers
"""mitmproxy's own."""


def _is_drained(transport: server.ConnectionIO) -> bool:
    """Tell whether ``drain`` would return at once."""
    writer, reader = transport.writer, transport.reader
    if writer is None:
        return True
    if not isinstance(writer, asyncio.StreamWriter) or not isinstance(reader, asyncio.StreamReader):
        return False
    line = writer.transport
    return line.get_write_buffer_size() == 0 and not line.is_closing() and reader.exception() is None


async def _finish(self: Any, hook: commands.StartHook, rest: Awaitable[None]) -> None:
    await _wait_for(self, rest)
    if hook.blocking:
        await self.server_event(events.HookCompleted(hook))


async def _wait_for(self: Any, rest: Awaitable[None]) -> None:
    """Wait for a hook; a connection that waits for us is not idle."""
    watchdog = self.timeout_watchdog
    watchdog.can_timeout.clear()
    watchdog.blocker += 1
    try:
        await rest
    finally:
        watchdog.blocker -= 1
        if watchdog.blocker == 0:
            watchdog.register_activity()
            watchdog.can_timeout.set()


def _obey(self: Any, command: commands.Command) -> None:
    """Carry out a command that is no hook."""
    if isinstance(command, commands.SendData):
        transport = self.transports.get(command.connection)
        if transport is not None and not transport.writer.is_closing():
            transport.writer.write(command.data)
    elif isinstance(command, commands.OpenConnection):
        handler = asyncio_utils.create_task(self.open_connection(command), name="server", keep_ref=False)
        self.transports[command.connection] = server.ConnectionIO(handler=handler)
    elif isinstance(command, commands.RequestWakeup):
        timer = asyncio_utils.create_task(self.wakeup(command), name="wakeup", keep_ref=False)
        self.wakeup_timer.add(timer)
    elif isinstance(command, commands.ConnectionCommand) and command.connection not in self.transports:
        pass  # The connection has already been closed.
    elif isinstance(command, commands.CloseConnection):
        half = isinstance(command, commands.CloseTcpConnection) and command.half_close
        self.close_connection(command.connection, half)
    elif isinstance(command, commands.Log):
        self.log(command.message, command.level)
    else:
        raise RuntimeError(f"Unexpected command: {command}")
