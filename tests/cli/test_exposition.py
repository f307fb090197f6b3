"""The one metrics port: what the dead counted stays, what they measured of the moment goes."""

import json
import subprocess
import sys
import textwrap

# prometheus_client chooses where values live when it is first imported: only a fresh process will do.
PREPARE = """
import json, os, socket, subprocess, sys, urllib.request
from pathlib import Path
from sekimori.cli import exposition
exposition.prepare(Path(sys.argv[1]) / "metrics")
"""
CHILD = """
import os
from prometheus_client import Counter, Gauge, Histogram
Counter("asked", "d", ["by"]).labels("x").inc(3)
Histogram("took", "d", buckets=(1.0, 2.0)).observe(1.5)
Gauge("open", "d", multiprocess_mode="livesum").set(7)
Gauge("version", "d", multiprocess_mode="mostrecent").set(9)
print(os.getpid())
"""
SCRAPE = """
def scrape():
    listener = socket.create_server(("127.0.0.1", 0))
    server = exposition.serve(listener)
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        lines = opener.open(f"http://127.0.0.1:{listener.getsockname()[1]}/metrics").read().decode()
    finally:
        server.shutdown()
        server.server_close()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines.splitlines() if line[0] != "#"}

def child():
    return int(subprocess.check_output([sys.executable, "-c", CHILD]))
"""


def fresh(folder, script):
    text = PREPARE + f"CHILD = {CHILD!r}\n" + SCRAPE + textwrap.dedent(script)
    return json.loads(subprocess.check_output([sys.executable, "-c", text, str(folder)], timeout=60))


def test_figures_of_the_living_and_the_dead_are_summed(tmp_path):
    seen = fresh(
        tmp_path,
        """
        pids = [child(), child(), child()]
        alive = scrape()
        for pid in pids[:2]:
            exposition.forget(pid)
        print(json.dumps([alive, scrape(), sorted(os.listdir(os.environ["PROMETHEUS_MULTIPROC_DIR"]))]))
        """,
    )
    alive, after, files = seen
    for figures in (alive, after):
        assert figures['asked_total{by="x"}'] == 9
        assert (
            figures["took_count"],
            figures['took_bucket{le="1.0"}'],
            figures['took_bucket{le="2.0"}'],
        ) == (3, 0, 3)
        assert figures["version"] == 9
    assert (alive["open"], after["open"]) == (21, 7)
    # One file for all the dead: a child that dies for ever fills no disk.
    assert {"counter_0.db", "histogram_0.db"} <= set(files)
    assert len(files) == 6


def test_a_child_killed_before_its_first_figure_is_forgotten_too(tmp_path):
    seen = fresh(
        tmp_path,
        """
        folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
        (folder / "counter_999.db").touch()
        exposition.forget(999)
        exposition.forget(998)
        print(json.dumps([scrape(), os.listdir(folder)]))
        """,
    )
    assert seen == [{}, []]


def test_a_start_begins_with_no_figures_in_a_folder_for_its_owner(tmp_path):
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "counter_1.db").touch()
    seen = fresh(
        tmp_path,
        """
        folder = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
        print(json.dumps([os.listdir(folder), folder.stat().st_mode & 0o777]))
        """,
    )
    assert seen == [[], 0o700]
