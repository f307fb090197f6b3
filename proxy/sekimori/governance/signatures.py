"""Signed apply files: in ``gov`` and ``local_gov`` two different registered authorities sign the file.

A plain Ed25519 signature is over ``sekimori apply v1``, a line feed, and the SHA-256 of the file's bytes, in
hex; one of ``ssh-keygen -Y sign`` over what ``ssh_signature`` says. In
``enterprise`` an unsigned file is accepted and marked: its document says ``unsigned``, and so does every
record that it decides.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection, Iterable

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sekimori.governance.authority import ANY, ApprovalAuthority
from sekimori.governance.calendar import jst_date
from sekimori.governance.refusals import refuse
from sekimori.governance.rules import Rules
from sekimori.governance.ssh_signature import SshSignature, is_ssh, public_key_bytes, read_ssh_signature
from sekimori.policy.document import Document
from sekimori.policy.people import canonical_name

_CONTEXT = b"sekimori apply v1\n"
_SIGNATURE_BYTES = 64


class Signature(msgspec.Struct, frozen=True):
    """Whose signature: the id of an approval authority, the 64 bytes in hex, and the hash of an SSH one."""

    authority: str
    signature: str
    ssh: str = ""


def signed_bytes(text: bytes) -> bytes:
    """Give what is signed of a file."""
    return _CONTEXT + hashlib.sha256(text).hexdigest().encode()


def signers(
    text: bytes, signatures: Iterable[Signature], authorities: Iterable[ApprovalAuthority], at_us: int
) -> tuple[ApprovalAuthority, ...]:
    """List the living authorities whose signature is good: each person and each key counts once."""
    day = jst_date(at_us)
    known = {each.id: each for each in authorities if each.living(day) and each.public_key}
    people: dict[str, ApprovalAuthority] = {}
    keys: set[bytes] = set()
    for signature in signatures:
        authority = known.get(signature.authority)
        if authority is None or not _good(text, signature, authority):
            continue
        name, key = canonical_name(authority.holder), public_key_bytes(authority.public_key)
        if name not in people and key not in keys:
            people[name] = authority
            keys.add(key)
    return tuple(people.values())


def read_signature(data: bytes, authorities: Iterable[ApprovalAuthority]) -> tuple[Signature, ...]:
    """Read a detached signature, SSH's or 64 plain bytes, as those whose it may be; ``ValueError`` if none."""
    if is_ssh(data):
        made = read_ssh_signature(data)
        own = [each for each in authorities if _key_of(each) == made.public_key]
        return tuple(Signature(each.id, made.signature.hex(), made.hash.decode()) for each in own)
    if len(data) != _SIGNATURE_BYTES:
        raise ValueError(f"it is neither an SSH signature nor {_SIGNATURE_BYTES} bytes")
    return tuple(Signature(each.id, data.hex()) for each in authorities if each.public_key)


def _key_of(authority: ApprovalAuthority) -> bytes:
    try:
        return public_key_bytes(authority.public_key)
    except ValueError:
        return b""


def signatures(
    document: Document,
    text: bytes,
    given: Iterable[Signature],
    authorities: Iterable[ApprovalAuthority],
    rules: Rules,
    at_us: int,
) -> Document:
    """Give the document, marked unsigned or not; raises ``Forbidden`` where the profile needs more."""
    return dataclasses.replace(
        document, unsigned=not vouched(document, text, given, authorities, rules, at_us)
    )


def vouched(
    document: Document,
    text: bytes,
    given: Iterable[Signature],
    authorities: Iterable[ApprovalAuthority],
    rules: Rules,
    at_us: int,
    *,
    reached: Collection[str] = (),
) -> tuple[ApprovalAuthority, ...]:
    """Give those who vouch for a document; raises ``Forbidden`` where the profile needs more of them.

    Whoever is a user of one of its grants or a member of one of its groups does not count, nor an authority
    that does not cover each service that the file says, grants, or reaches by its groups. ``document`` holds
    the grants that the file changes; of services and groups those count that are its own. ``reached`` are
    the services of the register's grants that use one of its groups.
    """
    found = [each for each in signers(text, given, authorities, at_us) if _may_sign(each, document, reached)]
    if len(found) < rules.signatures_needed:
        raise refuse("unsigned", needed=rules.signatures_needed, found=len(found))
    return tuple(found)


def _may_sign(authority: ApprovalAuthority, document: Document, reached: Collection[str]) -> bool:
    services = {grant.service for grant in document.grants.values()} | set(reached)
    services |= {id_ for id_ in document.services if document.file_of("service", id_) == document.file}
    covered = authority.service == ANY or services <= {authority.service}
    return covered and not _is_a_user(canonical_name(authority.holder), document)


def _is_a_user(name: str, document: Document) -> bool:
    members = {
        group: {canonical_name(member) for member in entry.members}
        for group, entry in document.groups.items()
    }
    own = {group for group in members if document.file_of("group", group) == document.file}
    holds = {canonical_name(group) for group, named in members.items() if name in named}
    if any(name in members[group] for group in own):
        return True
    return any(
        name in map(canonical_name, grant.users) or not holds.isdisjoint(map(canonical_name, grant.groups))
        for grant in document.grants.values()
    )


def _good(text: bytes, signature: Signature, authority: ApprovalAuthority) -> bool:
    try:
        raw = public_key_bytes(authority.public_key)
        made = bytes.fromhex(signature.signature)
        ssh = SshSignature(raw, signature.ssh.encode(), made) if signature.ssh else None
        message = ssh.signed_bytes(text) if ssh else signed_bytes(text)
        Ed25519PublicKey.from_public_bytes(raw).verify(made, message)
    except (ValueError, KeyError, InvalidSignature):  # no key, not 64 bytes, no such hash, or not theirs
        return False
    return True
