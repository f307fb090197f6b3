"""The page that lies in an export: what is in the folder, the commands, and what they do not show. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sekimori.store.exporting.exported import Exported, Stamps
from sekimori.store.exporting.logs import Log

_HEAD = """\
Export of a Sekimori ledger
===========================

Check it with tools that the makers of Sekimori did not write. sigsum-verify is in Debian's package sigsum-go,
openssl in openssl, sha256sum in coreutils.

1. No file of this folder was changed:

    sha256sum -c SHA256SUMS

2. One record: its envelope was written by one of the keys in proxy.pub and is in its lane, under the lane's own
   signature. The exit status is 0 if so; every other means that it is not proven.

    sigsum-verify -k proxy.pub -p policy proofs/LANE/N.proof < envelopes/LANE/N.json

   All of them:

    for proof in proofs/*/*.proof; do
        name=${proof#proofs/}; name=${name%.proof}
        sigsum-verify -k proxy.pub -p policy "$proof" < "envelopes/$name.json" || echo "NOT PROVEN: $name"
    done

   This shows what the one who is audited signed. That others saw it is shown by 3 and 4 together: witnesses
   cosign the super-log alone, so policy asks for no witness and the policy of the super-log for all of them.
"""

_SUPER = """
3. The super-log names every lane and how far it got. What is remembered of it elsewhere (a witness, a time-stamp,
   the line in the paper register) covers them all. Its newest words on the lanes are proven under its own policy,
   with the quorum of witnesses that stands there:

    for proof in proofs/{name}/*.proof; do
        name=${{proof##*/}}; name=${{name%.proof}}
        sigsum-verify -k proxy.pub -p {name}/policy "$proof" < "envelopes/{name}/$name.json" || echo "NOT PROVEN"
    done

4. The lanes that the proofs of 2 speak of are those that the super-log speaks of in 3: the word on each lane (its
   place stands in lanes/LANE/word) holds the lane's checkpoint, and each proof has the root of that checkpoint.

    for lane in lanes/*; do
        text=$(awk 'NR < 4 {{ printf "%s\\\\n", $0 }}' "$lane/checkpoint")
        grep -q -F -- "$text" "envelopes/$(cat "$lane/word").json" || echo "NOT IN THE SUPER-LOG: $lane"
    done
    for proof in proofs/*/*.proof; do
        lane=${{proof#proofs/}}; lane=${{lane%/*}}
        if [ -d "lanes/$lane" ]; then lane=lanes/$lane; fi
        root=$(sed -n 3p "$lane/checkpoint" | base64 -d | od -An -v -tx1 | tr -d ' \\n')
        grep -q -x "root_hash=$root" "$proof" || echo "ANOTHER ROOT: $proof"
    done

   With 1 to 4 and nothing printed but by sha256sum: every record that has a proof here was in its lane, unchanged,
   when the quorum cosigned the super-log.
"""

_STAMPS = """
5. It was there at a time that somebody else's clock says:

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
