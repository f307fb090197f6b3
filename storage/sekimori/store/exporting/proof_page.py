"""The page that lies beside one record's proof: what it shows, the exact commands, and what it does not show. Pure.

The commands stand indented by four blanks and print nothing where all is well, but for those of openssl and
sha256sum: so a block can be copied into a shell whole.
"""

from __future__ import annotations

from collections.abc import Sequence

from sekimori.store.exporting.anchoring import Proven
from sekimori.store.exporting.disclosing import Disclosed, command
from sekimori.store.exporting.proving import Proofs, Stamped

_HEAD = """\
Proof of one record of a Sekimori ledger
========================================

Record {rid}: {count}.

Run the indented lines in this folder, with tools that the makers of Sekimori did not write: sigsum-verify is in
Debian's package sigsum-go, openssl in openssl, sha256sum in coreutils.

1. No file of this folder was changed:

    sha256sum --strict -c SHA256SUMS

2. Each envelope of the record was written by one of the keys in proxy.pub, and is in its tree under the tree's own
   signature. The lines print nothing if so:

{leaves}

   That is what the one who is audited signed. An envelope says when, which step of the exchange it is, and which
   policy decided; of what was said it holds commitments alone.
"""

_WORDS = """
3. The super-log tells of each tree, and the tree's checkpoint that it tells of is the one under which 2 proves the
   record. {whose}

{words}
"""

_WITNESSED = """Its word is proven under the quorum of super.policy: {names}. Together with 2: the quorum saw
   a log with this record in it."""

_UNWITNESSED = """No witness has cosigned that checkpoint (super.policy asks for none), so this too is what the one
   who is audited signed."""

_UNTOLD = """
3. The super-log has not told of these leaves yet, so nothing here shows that anybody else saw them. Ask again in some
   seconds: sekimori prove.
"""

_STAMP = """
{number}. It was there at {time} UTC at the latest, by the clock of the time-stamping authority {name}: the stamp
   is over a checkpoint of the super-log, whose word on each tree holds the checkpoint under which the record is
   proven here.
   openssl says "Verification: OK", and nothing else is printed:

    cd timestamps/{name}
    openssl ts -verify -data stamp.checkpoint -in stamp.tsr -CAfile ca.pem
{lines}
    cd ../..
"""

_NO_STAMP = """
No time-stamp covers this record{why}.
"""

_DISCLOSED = """
{number}. These are the very bytes that the record commits to: each command prints the commitment that stands in the
   envelope, under "c". The lines print nothing if so:

{lines}
"""

_TAIL = """
What none of this shows
-----------------------

That the proof is of the newest state: a record may have been erased since, and an old proof still holds. That the
keys are the right ones: compare proxy.pub, policy, super.policy and ca.pem with what was handed over at the
beginning. What was said{disclosed}. That the service received what was recorded, or that nothing
else was sent past the gate. Whose record it is: no envelope names anybody.
"""


def page(rid: str, proofs: Proofs, disclosed: Sequence[tuple[str, Disclosed]], asked: Sequence[str]) -> str:
    """Return the page; ``disclosed`` are files and what is in them, ``asked`` the authorities of the installation."""
    leaves = [f"    {_verify('proxy.pub', 'policy', name_of(leaf))}" for leaf in proofs.leaves]
    count = "1 leaf" if len(leaves) == 1 else f"{len(leaves)} leaves"
    told = "".join(letter if letter.isprintable() else "?" for letter in rid)
    parts = [_HEAD.format(rid=told, count=count, leaves="\n".join(leaves)), _words(proofs)]
    number = 3
    for one in proofs.stamped:
        number += 1
        parts.append(_stamp(number, one))
    if not proofs.stamped:
        why = " yet: an authority is asked in intervals" if asked else ": no authority is configured"
        parts.append(_NO_STAMP.format(why=why))
    if disclosed:
        lines = "\n".join(_opened(*each) for each in disclosed)
        parts.append(_DISCLOSED.format(number=number + 1, lines=lines))
    what = ", beyond what is disclosed here" if disclosed else " (that is disclosed with --disclose)"
    return "".join([*parts, _TAIL.format(disclosed=what)])


def name_of(leaf: Proven) -> str:
    """Name the files of a leaf."""
    return f"{leaf.tree}-{leaf.index}"


def _words(proofs: Proofs) -> str:
    if not proofs.words:
        return _UNTOLD
    whose = _WITNESSED.format(names=", ".join(proofs.witnesses)) if proofs.witnesses else _UNWITNESSED
    lines = [f"    {_verify('proxy.pub', 'super.policy', f'{tree}.word')}" for tree in proofs.words]
    return _WORDS.format(whose=whose, words="\n".join([*lines, *_tied(proofs.leaves)]))


def _stamp(number: int, one: Stamped) -> str:
    lines = [f"    {_verify('../../proxy.pub', 'policy', f'{tree}.word')}" for tree in one.words]
    lines += [_root("stamp.checkpoint")]
    lines += [f"    {_has_root(f'{tree}.word.proof')}" for tree in one.words]
    for leaf in one.leaves:
        name = name_of(leaf)
        lines.append(f"    {_verify('../../proxy.pub', 'policy', name, envelope=f'../../{name}.json')}")
    lines += _tied(one.leaves)
    day, time = one.stamp.made
    at = f"{day} {time[:2]}:{time[2:4]}:{time[4:]}"
    return _STAMP.format(number=number, time=at, name=one.stamp.authority, lines="\n".join(lines))


def _tied(leaves: Sequence[Proven]) -> list[str]:
    """Return the lines that compare a word's checkpoint with the roots of the proofs."""
    lines = []
    for tree in dict.fromkeys(leaf.tree for leaf in leaves):
        lines.append(f"    text=$(awk 'NR < 4 {{ printf \"%s\\\\n\", $0 }}' {tree}.checkpoint)")
        lines.append(f'    grep -q -F -- "$text" {tree}.word.json || echo "NOT IN THE SUPER-LOG: {tree}"')
        lines.append(_root(f"{tree}.checkpoint"))
        lines += [f"    {_has_root(f'{name_of(leaf)}.proof')}" for leaf in leaves if leaf.tree == tree]
    return lines


def _verify(keys: str, policy: str, name: str, *, envelope: str = "") -> str:
    told = envelope or f"{name}.json"
    return f'sigsum-verify -k {keys} -p {policy} {name}.proof < {told} || echo "NOT PROVEN: {name}"'


def _root(checkpoint: str) -> str:
    return f"    root=$(sed -n 3p {checkpoint} | base64 -d | od -An -v -tx1 | tr -d ' \\n')"


def _has_root(proof: str) -> str:
    return f'grep -q -x "root_hash=$root" {proof} || echo "ANOTHER ROOT: {proof}"'


def _opened(file: str, one: Disclosed) -> str:
    value, other = one.commitment.hex(), f'echo "OTHER BYTES: {file}"'
    lines = [f"    {command(one, file)} | grep -q {value} || {other}"]
    if one.index is not None:
        envelope = f"{one.tree}-{one.index}.json"
        lines.append(f'    grep -q -F \'"{one.what}":"{value}"\' {envelope} || {other}')
    return "\n".join(lines)
