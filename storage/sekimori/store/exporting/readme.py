"""The page that lies in an export: what is in the folder, the commands, and what they do not show. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from sekimori.store.exporting.exported import Exported, Stamps
from sekimori.store.exporting.logs import Log

_HEAD = """\
Export of a Sekimori ledger
===========================

Check it with tools that the makers of Sekimori did not write. sigsum-verify is in Debian's package sigsum-go,
openssl in openssl, the rest in coreutils, sed, grep, mawk and findutils. Whoever made the folder made this page,
too: the same commands stand in docs/formats/export.md of the program. Each of them prints nothing where all is
well, but openssl its "Verification: OK".

1. No file of this folder was changed, added or taken away:

    sha256sum --strict --quiet -c SHA256SUMS
    {{ cut -c 67- SHA256SUMS; find . -type f ! -path ./SHA256SUMS | cut -c 3-; }} | LC_ALL=C sort | uniq -u

2. One record: its envelope was written by one of the keys in proxy.pub and is in its lane, under the lane's own
   signature. The exit status is 0 if so; every other means that it is not proven.

    sigsum-verify -k proxy.pub -p policy proofs/LANE/N.proof < envelopes/LANE/N.json

   All of them, each at the place that its name says:

    for proof in proofs/*/*.proof; do
        name=${{proof#proofs/}}; name=${{name%.proof}}
        n=$(sed -n 's/^leaf_index=//p' "$proof")
        sigsum-verify -k proxy.pub -p policy "$proof" < "envelopes/$name.json" &&
        [ "${{n:-0}}" = "${{name##*/}}" ] || echo "NOT PROVEN: $name"
    done
{whole}
   This shows what the one who is audited signed. That others saw it is shown by 3 and 4 together: witnesses
   cosign the super-log alone, so policy asks for no witness and the policy of the super-log for all of them.
"""

_WHOLE = """
   And none of a lane is left out:

    for lane in lanes/*; do
        [ "$(ls "proofs/${lane#lanes/}" | wc -l)" = "$(sed -n 2p "$lane/checkpoint")" ] || echo "NOT WHOLE: $lane"
    done
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
        word=$(sed -n '/^{name}\\/[0-9][0-9]*$/p' "$lane/word")
        text=$(awk 'NR < 4 {{ printf "%s\\\\n", $0 }}' "$lane/checkpoint")
        sigsum-verify -k proxy.pub -p {name}/policy "proofs/$word.proof" < "envelopes/$word.json" &&
        grep -q -F -- "$text" "envelopes/$word.json" || echo "NOT IN THE SUPER-LOG: $lane"
    done
    for proof in proofs/*/*.proof; do
        lane=${{proof#proofs/}}; lane=${{lane%/*}}
        case $lane in {supers}) ;; *) lane=lanes/$lane ;; esac
        root=$(sed -n 3p "$lane/checkpoint" | base64 -d | od -An -v -tx1 | tr -d ' \\n')
        grep -q -x "root_hash=$root" "$proof" || echo "ANOTHER ROOT: $proof"
    done

   With 1 to 4 and nothing printed: every record that has a proof here was in its lane, unchanged, {seen}.
"""
_SEEN = "when the\n   quorum cosigned the super-log"
_UNSEEN = "as the\n   one who is audited signed it. No witness has cosigned the super-log's checkpoint (quorum none)"
_EARLIER = """
   A lane of which {earlier} told last is named by 4 as not in {name}: of it this folder shows what the one who is
   audited signed, and the leaf `abandon` in {name} what became of {earlier}.
"""
_GIVEN_UP = """
   These lanes were given up by a fork, for the reason in the leaf `abandon` of the super-log. What their files do not
   hold stands in the lane that goes on. They may be damaged, or hold less than the super-log heard of: then 2 and 4
   name them.
"""

_STAMPS = """
5. It was there at a time that somebody else's clock says: what is stamped is a checkpoint of the super-log, signed
   by the log, with the leaf in it that was its newest then.

    cd timestamps/{name}
    for stamp in */*.tsr; do
        one=${{stamp%.tsr}}
        root=$(sed -n 3p "$one.checkpoint" | base64 -d | od -An -v -tx1 | tr -d ' \\n')
        openssl ts -verify -data "$one.checkpoint" -in "$stamp" -CAfile ca.pem &&
        sigsum-verify -k ../../proxy.pub -p policy "$one.proof" < "$one.json" &&
        grep -q -x "size=$(sed -n 2p "$one.checkpoint")" "$one.proof" &&
        grep -q -x "root_hash=$root" "$one.proof" || echo "NOT A STAMP OF THIS LOG: $stamp"
    done
    cd ../..
"""

_TAIL = """
What none of this shows: that the folder is the newest (compare the line above with a witness, a time-stamp or
the register), that the keys are the right ones (compare proxy.pub, policy and log.pub with what was handed
over at the beginning), and what was said (content is disclosed record by record: sekimori prove).
"""


def readme(done: Exported, supers: Sequence[Log], stamps: Sequence[Stamps]) -> str:
    """Return the page; of the super-logs the newest is the last."""
    newest, earlier = supers[-1], [log.name for log in supers[:-1]]
    names = {"name": newest.name, "supers": "|".join(log.name for log in supers)}
    parts = [_HEAD.format(whole=_WHOLE if done.whole else "")]
    parts.append(_SUPER.format(**names, seen=_SEEN if done.witnessed else _UNSEEN))
    if earlier:
        parts.append(_EARLIER.format(name=newest.name, earlier=", ".join(earlier)))
    if done.given_up:
        parts += [_GIVEN_UP, "\n"]
        parts += [f"   - {name}, goes on as {other}\n" for name, other in sorted(done.given_up.items())]
    parts += [_STAMPS.format(name=one.name) for one in stamps if done.stamps]
    parts.append(_contents(done, newest))
    parts.append(_TAIL)
    return "".join(parts)


def _contents(done: Exported, super_log: Log) -> str:
    point = super_log.opened.checkpoint
    lines = ["", "What is in it", "-------------", ""]
    lines += [f"{super_log.name}: {point.size} leaves, root {point.root.hex()}"]
    lines += [f"lanes/{name}: {size} leaves" for name, size in sorted(done.trees.items())]
    lines += [f"proofs: {done.proofs}, time-stamps: {done.stamps}"]
    if done.unproven:
        lines += [
            f"leaves of lanes that were given up, of which damaged files prove nothing: {done.unproven}"
        ]
    if done.elsewhere:
        lines += ["", "These lanes lie on other machines and are exported there:"]
        lines += [f"  {name}" for name in done.elsewhere]
    return "\n".join([*lines, ""])
