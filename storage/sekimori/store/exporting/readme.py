"""The page that lies in an export: what is in the folder, the commands, and what they do not show. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sekimori.store.exporting.logs import Log

if TYPE_CHECKING:
    from sekimori.store.exporting.export import Exported, Stamps

_HEAD = """\
Export of a Sekimori ledger
===========================

Check it with tools that the makers of Sekimori did not write. sigsum-verify is in Debian's package sigsum-go,
openssl in openssl, sha256sum in coreutils.

1. No file of this folder was changed:

    sha256sum -c SHA256SUMS

2. One record: its envelope was written by one of the keys in proxy.pub and is in its log. The exit status is 0
   if so; every other means that it is not proven.

    sigsum-verify -k proxy.pub -p policy proofs/LANE/N.proof < envelopes/LANE/N.json

   All of them:

    for proof in proofs/*/*.proof; do
        name=${proof#proofs/}; name=${name%.proof}
        sigsum-verify -k proxy.pub -p policy "$proof" < "envelopes/$name.json" || echo "NOT PROVEN: $name"
    done
"""

_SUPER = """
3. The super-log names every lane and how far it got. What is remembered of it elsewhere (a witness, a time-stamp,
   the line in the paper register) covers them all. Its newest words on the lanes lie in proofs/{name}:

    for proof in proofs/{name}/*.proof; do
        name=${{proof##*/}}; name=${{name%.proof}}
        sigsum-verify -k proxy.pub -p {name}/policy "$proof" < "envelopes/{name}/$name.json" || echo "NOT PROVEN"
    done
"""

_STAMPS = """
4. It was there at a time that somebody else's clock says:

    cd timestamps/{name}
    for stamp in */*.tsr; do
        openssl ts -verify -data "${{stamp%.tsr}}.checkpoint" -in "$stamp" -CAfile ca.pem
    done
"""

_TAIL = """
What none of this shows: that the folder is the newest (compare the line above with a witness, a time-stamp or
the register), that the keys are the right ones (compare proxy.pub, policy and log.pub with what was handed
over at the beginning), and what was said (content is disclosed record by record: sekimori prove).
"""


def readme(done: Exported, super_log: Log, stamps: Sequence[Stamps]) -> str:
    """Return the page."""
    parts = [_HEAD, _SUPER.format(name=super_log.name)]
    parts += [_STAMPS.format(name=one.name) for one in stamps if done.stamps]
    parts.append(_contents(done, super_log))
    parts.append(_TAIL)
    return "".join(parts)


def _contents(done: Exported, super_log: Log) -> str:
    point = super_log.opened.checkpoint
    lines = ["", "What is in it", "-------------", ""]
    lines += [f"{super_log.name}: {point.size} leaves, root {point.root.hex()}"]
    lines += [f"lanes/{name}: {size} leaves" for name, size in sorted(done.trees.items())]
    lines += [f"proofs: {done.proofs}, time-stamps: {done.stamps}"]
    if not done.witnessed:
        lines += ["", "No witness has cosigned the super-log's checkpoint (quorum none)."]
    if done.elsewhere:
        lines += ["", "These lanes lie on other machines and are exported there:"]
        lines += [f"  {name}" for name in done.elsewhere]
    return "\n".join([*lines, ""])
