"""One gate worker: puts the gate's parts together, serves the inherited socket, drains, ends.

Ends by itself when the supervisor's lifeline ends, when its lane is lost, or when its event loop
hangs: whatever state it was in, a worker that can't be sure does not forward.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sekimori import metrics
from sekimori.addons.admit import Admit
from sekimori.addons.backlog import Backlog
from sekimori.addons.boundary import Boundary
from sekimori.addons.capture import CaptureAnswer
from sekimori.addons.clicks import Clicks
from sekimori.addons.desk import Desk
from sekimori.addons.duties import Duties
from sekimori.addons.exchange import Budget
from sekimori.addons.guard import Guard
from sekimori.addons.judge import Judge
from sekimori.addons.kept_pages import KeptPages
from sekimori.addons.layers import GateLayers
from sekimori.addons.noted import Noted
from sekimori.addons.own_pages import OwnPages
from sekimori.addons.rates import Rates
from sekimori.addons.uploads import Uploads
from sekimori.addons.view import Policy, PolicyView
from sekimori.addons.websocket import WebSocketTurns
from sekimori.catalogue.catalogue import Catalogue
from sekimori.errors import PolicyUnavailableError, SekimoriError
from sekimori.gate import patches, recording
from sekimori.gate.ca import IssuingSet
from sekimori.gate.identifying import Identifying
from sekimori.gate.keyfiles import load_issuing, load_issuing_key, load_root_cert
from sekimori.gate.leaf import LeafMint
from sekimori.gate.master import GateMaster
from sekimori.gate.resolve import AddressGuard, GuardedEventLoop
from sekimori.gate.settings import WorkerSettings
from sekimori.gate.tls import SekimoriTlsConfig, upstream_trust
from sekimori.ledger.outside.witnessed import NAME, WitnessedWatch
from sekimori.ledger.spool import SpoolSettings, SpoolWriter
from sekimori.vault.fingerprint import Fingerprinter
from sekimori.vault.keys import KeyRing
from sekimori.vault.pointers import PointerVerifier
from sekimori.vault.published import PolicySeal

if TYPE_CHECKING:
    from mitmproxy.connection import Client

    from sekimori.policy.people import People

logger = logging.getLogger(__name__)

_CLOCK_STEP_US = 5_000_000
_HUNG_SECONDS = 20.0
_READY_FD = "SEKIMORI_READY_FD"
_MAX_MESSAGE = 16 * 1024 * 1024
_READING_THREADS = 2


def run(settings: WorkerSettings) -> int:
    """Serve until told to stop; returns the exit code of the process."""
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s gate %(levelname)s %(name)s %(message)s")
    logging.getLogger("mitmproxy").setLevel(logging.ERROR)
    # Key material in the environment of a proxy would end in a file.
    os.environ.pop("SSLKEYLOGFILE", None)
    os.environ.pop("MITMPROXY_SSLKEYLOGFILE", None)
    guard = AddressGuard(settings.upstream_resolve, parent_proxy=_parent(settings.upstream_proxy))
    with asyncio.Runner(loop_factory=lambda: GuardedEventLoop(guard)) as runner:
        return runner.run(Worker(settings, guard).serve())


def now_us() -> int:
    """Return the time in UTC microseconds."""
    return time.time_ns() // 1000


class ClockWatch:
    """Tells whether the wall clock still runs with the monotonic one."""

    def __init__(self) -> None:
        self._offset = now_us() - time.monotonic_ns() // 1000
        self.ok = True

    def look(self) -> None:
        """Compare: a step back of more than five seconds would make times in the record lie."""
        offset = now_us() - time.monotonic_ns() // 1000
        if offset < self._offset - _CLOCK_STEP_US:
            if self.ok:
                logger.error("the clock stepped back; AI traffic is refused until it has caught up")
            self.ok = False
        else:
            self.ok = True
            self._offset = max(self._offset, offset)


class Worker:
    """The composition of one gate process."""

    def __init__(self, settings: WorkerSettings, guard: AddressGuard) -> None:
        self._settings = settings
        self._guard = guard
        self._data = Path(settings.data)
        self._stopping = asyncio.Event()
        self._abandoned = False
        self._failed = False
        self._beat = time.monotonic()
        self._clock = ClockWatch()
        self._uploads = Uploads(Budget(settings.upload_budget))

    async def serve(self) -> int:
        """Start, serve, drain; returns 0 after an orderly stop."""
        settings = self._settings
        listener = socket.socket(fileno=settings.listen_fd)
        patches.apply(
            listener=listener,
            max_message=min(settings.max_upload, _MAX_MESSAGE),
            uploads=self._uploads,
        )
        keys = KeyRing.load_gate(Path(settings.gate_keys).parent)
        self._witnessed = WitnessedWatch(
            self._data / "ledger" / NAME, settings.unwitnessed_limit, keys.archive_public
        )
        spool = recording.start(
            self._data / "spool",
            f"w{settings.slot}-{now_us():x}",
            keys=Path(settings.gate_keys).parent,
            settings=SpoolSettings(
                segment_bytes=settings.spool_segment,
                high_water=settings.spool_high_water,
                min_free=settings.spool_min_free,
                record_timeout=settings.record_timeout,
            ),
        )
        try:
            return await self._serve(spool, Fingerprinter(keys.fingerprint_key), keys.fingerprint_key)
        finally:
            await asyncio.to_thread(spool.close)

    async def _serve(self, spool: SpoolWriter, fingerprint: Fingerprinter, key: bytes) -> int:
        settings = self._settings
        catalogue = Catalogue.load()
        self._root = load_root_cert(Path(settings.gate_keys))
        self._issuing_key = load_issuing_key(Path(settings.gate_keys))
        self._mint = LeafMint(
            self._issuing_key, IssuingSet(()), lambda host: self._desk.locate(host).decrypt, _utc_now
        )
        seal = PolicySeal(KeyRing.load_policy(Path(settings.gate_keys).parent))
        view = PolicyView(
            self._data / "policy",
            seal=seal,
            verifier=PointerVerifier(KeyRing.load_policy_public(Path(settings.gate_keys).parent)),
            max_age=settings.snapshot_max_age,
            now=now_us,
            on_swap=self._on_swap,
            register=self._register,
        )
        self._identifying = Identifying(settings, people=lambda: view.people, key=key, now=now_us)
        reading = ThreadPoolExecutor(_READING_THREADS, thread_name_prefix="reading")
        self._spool = spool
        self._desk = Desk(
            options=settings,
            view=view,
            catalogue=catalogue,
            record=spool,
            now=now_us,
            random=secrets.token_bytes,
            fingerprint=fingerprint,
            budget=Budget(settings.capture_budget),
            pool=reading,
            clock_ok=lambda: self._clock.ok,
            witnessed=lambda: self._witnessed.ok,
        )
        pages = self._own_pages(key, seal)
        judge = Judge(
            pool=reading,
            timeout=settings.decision_timeout,
            flagged_models=catalogue.flagged_models,
            duties=pages.clicks.duties,
        )
        master = self._master(judge, pages)
        await view.refresh()
        await self._load_issuing()
        return await self._run(master, view)

    def _own_pages(self, key: bytes, seal: PolicySeal) -> OwnPages:
        """Put together what asks people: what they said a moment ago, how often, and the pages shown."""
        run = self._data / "run"
        duties = Duties(Noted(run / "noted", key), Rates(run / "rates", key))
        kept = KeptPages(run / "pages", key)
        return OwnPages(self._desk, Clicks(self._desk, duties, kept), kept, key, seal)

    def _master(self, judge: Judge, pages: OwnPages) -> GateMaster:
        master = GateMaster()
        guard = Guard(
            self._desk,
            self._identifying.credentials,
            public_peer=self._guard.admits_peer,
            abort=master.abort_server,
            parent=_parent(self._settings.upstream_proxy),
            vouching=self._identifying.vouching,
        )
        self._tunnels = guard.tunnels
        capture = CaptureAnswer(self._desk, guard.tunnels)
        turns = WebSocketTurns(
            self._desk,
            judge,
            capture,
            close=master.close_websocket,
        )
        admit = Admit(self._desk, judge, guard.tunnels, pages)
        listener = self._identifying.listener
        layers = GateLayers(guard.tunnel_kind, tls=listener is not None)
        master.assemble(
            tls=SekimoriTlsConfig(self._mint, listener=listener),
            ours=(self._identifying.peers, layers, guard, admit, capture, turns, self._uploads),
        )
        run = self._data / "run"
        run.mkdir(mode=0o700, exist_ok=True)
        master.configure(
            trusted_roots=str(upstream_trust(self._settings.upstream_ca_file, run)),
            max_upload=self._settings.max_upload,
            parent_proxy=self._settings.upstream_proxy,
            confdir=str(run),
        )
        return master

    # --- running -----------------------------------------------------------------------------

    async def _run(self, master: GateMaster, view: PolicyView) -> int:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        loop.add_signal_handler(signal.SIGINT, self._stopping.set)
        loop.add_reader(self._settings.lifeline_fd, self._lifeline_ended)
        threading.Thread(target=self._watch_loop, name="watchdog", daemon=True).start()
        boundary = Boundary(
            self._desk,
            close=master.close_client,
            close_websocket=master.close_websocket,
            tunnels=self._tunnels,
        )
        tasks = [
            loop.create_task(view.follow()),
            loop.create_task(boundary.watch()),
            loop.create_task(self._tick()),
            loop.create_task(self._follow_directory(view)),
        ]
        serving = loop.create_task(master.run())
        await self._until_accepting(master, serving)
        # What was made at the start stays; flows die by reference counting but for the cycles of mitmproxy's
        # layers, which need no look every 2,000 allocations.
        gc.freeze()
        gc.set_threshold(20_000, 20, 50)
        _announce_ready()
        stopping = loop.create_task(self._until_stopping())
        await asyncio.wait({serving, stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and not task.cancelled() and task.exception() is not None:
                logger.critical("a part of the gate failed: %r", task.exception())
                self._failed = True
        await self._drain(master)
        for task in (*tasks, stopping):
            task.cancel()
        master.shutdown()  # type: ignore[no-untyped-call]
        with contextlib.suppress(asyncio.CancelledError):
            await serving
        return 1 if self._failed else 0

    async def _follow_directory(self, view: PolicyView) -> None:
        def connected() -> set[str]:
            return {tunnel.user.name for tunnel in list(self._tunnels.values()) if tunnel.user is not None}

        await self._identifying.follow(connected, view.people_changed)
        await self._stopping.wait()  # without a directory there is nothing to follow

    async def _until_stopping(self) -> None:
        await self._stopping.wait()

    @staticmethod
    async def _until_accepting(master: GateMaster, serving: asyncio.Task[None]) -> None:
        # mitmproxy has no event for it.
        while not serving.done() and not master.proxyserver.listen_addrs():  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def _drain(self, master: GateMaster) -> None:
        seconds = 2.0 if self._abandoned or self._failed else self._settings.drain
        await master.drain(seconds, self._busy)

    def _busy(self, client: Client) -> bool:
        return any(exchange.client is client for exchange in self._desk.live)

    def _lifeline_ended(self) -> None:
        asyncio.get_running_loop().remove_reader(self._settings.lifeline_fd)
        logger.error("the supervisor is gone; no further connection is accepted")
        self._abandoned = True
        self._stopping.set()

    async def _tick(self) -> None:
        backlog = Backlog(self._data / "spool")
        while True:
            self._beat = time.monotonic()
            self._clock.look()
            self._look_at_witnesses()
            metrics.STREAMS.set(len(self._desk.live))
            metrics.SPOOL_DEPTH.set(self._spool.depth)
            metrics.SPOOL_BYTES.set(self._spool.bytes)
            metrics.SPOOL_HIGH_WATER.set(self._settings.spool_high_water)
            metrics.SPOOL_OLDEST.set(await asyncio.to_thread(backlog.seconds, time.monotonic()))
            if self._spool.lost:
                logger.critical("the lane is lost; this worker ends and a new one starts a new lane")
                self._failed = True
                self._stopping.set()
            await self._load_issuing()
            await asyncio.sleep(0.5)

    def _look_at_witnesses(self) -> None:
        if self._witnessed.look(time.time()):
            if self._witnessed.ok:
                logger.info("the record has its witnesses again")
            else:
                logger.error("the record has had no witness for too long; AI traffic is refused until it has")

    def _watch_loop(self) -> None:
        """End the process when its event loop hangs: a stuck hook would hold every connection for ever."""
        while True:
            time.sleep(1.0)
            if time.monotonic() - self._beat > _HUNG_SECONDS and not self._stopping.is_set():
                faulthandler.dump_traceback(file=sys.stderr)
                os._exit(70)

    # --- policy ------------------------------------------------------------------------------

    def _register(self, people: People) -> People:
        return self._identifying.register(people)

    def _on_swap(self, policy: Policy) -> None:
        logger.info("policy %s in force", policy.snapshot.hash[:12])

    async def _load_issuing(self) -> None:
        path = self._data / "policy" / "issuing.pem"
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_ino)
            if stamp == getattr(self, "_issuing_stamp", None):
                return
            issuing = await asyncio.to_thread(
                load_issuing, path, root=self._root, public_key=self._issuing_key.public_key()
            )
            self._mint.swap(issuing)
            self._issuing_stamp = stamp
        except FileNotFoundError:
            return  # not published yet: no leaf is minted, every handshake fails closed
        except (PolicyUnavailableError, SekimoriError) as error:
            logger.warning("issuing certificates not swapped: %s", error)


def _parent(url: str) -> tuple[str, int] | None:
    if not url:
        return None
    host, _, port = url.rpartition("://")[2].rstrip("/").rpartition(":")
    return host, int(port)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _announce_ready() -> None:
    descriptor = os.environ.pop(_READY_FD, "")
    if descriptor:
        os.write(int(descriptor), b"1")
        os.close(int(descriptor))
