"""Time-stamps (RFC 3161) over a log's checkpoint: somebody who keeps another clock says that it existed.

::

    <folder>/<authority>/<day>/<time>-<size>.checkpoint    what was stamped, byte for byte
    <folder>/<authority>/<day>/<time>-<size>.tsr           the authority's answer

``openssl ts -verify -data X.checkpoint -in X.tsr -CAfile CA`` accepts what is stored here; an answer that
doesn't hold is never stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.base import Certificate
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from sekimori.errors import IntegrityError, StateError
from sekimori.ledger.files import FOLDER_MODE, fsync_folder
from sekimori.ledger.outside.der import certificates_in_order
from sekimori.ledger.outside.http import Remote
from sekimori.ledger.outside.worm import write_once

SUFFIX, DATA_SUFFIX = ".tsr", ".checkpoint"
SKEW_SECONDS = 300

_QUERY = "application/timestamp-query"
_REPLY = "application/timestamp-reply"
_OK = 200


@dataclass(frozen=True, slots=True)
class Stamp:
    """An answer that was checked: its bytes, and the time that it says."""

    data: bytes
    time: datetime


class Authority:
    """One time-stamping authority, believed under the roots of a CA file only."""

    def __init__(self, name: str, remote: Remote, roots: list[Certificate]) -> None:
        self.name = name
        self._remote = remote
        self._roots = roots

    def stamp(self, data: bytes, now: float) -> Stamp:
        """Have data stamped; raises StateError if nobody answers and IntegrityError if it doesn't hold."""
        request = TimestampRequestBuilder().data(data).hash_algorithm(HashAlgorithm.SHA256).build()
        reply = self._remote.ask("POST", "", request.as_bytes(), _QUERY)
        if reply.status != _OK or not reply.kind.startswith(_REPLY):
            raise StateError(f"The time-stamping authority {self.name} answers {reply.status}.")
        time = check_stamp(reply.body, data, self._roots, nonce=request.nonce)
        if abs(time.timestamp() - now) > SKEW_SECONDS:
            raise IntegrityError(f"The authority {self.name} stamps with {time}, which is not now.")
        return Stamp(reply.body, time)


def check_stamp(stamp: bytes, data: bytes, roots: list[Certificate], *, nonce: int | None = None) -> datetime:
    """Return when the data was stamped; raises IntegrityError unless it was, by an authority of the roots."""
    try:
        response = decode_timestamp_response(certificates_in_order(stamp))
        builder = VerifierBuilder(roots=list(roots), nonce=nonce)
        builder.build().verify_message(response, data)
        return _time(response)
    # The library speaks in ValueErrors of several kinds, and in AttributeErrors where a part is missing.
    except (VerificationError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise IntegrityError(f"A time-stamp doesn't hold: {error}.") from error


def read_roots(ca_file: Path) -> list[Certificate]:
    """Read the certificates of a CA file."""
    try:
        return x509.load_pem_x509_certificates(ca_file.read_bytes())
    except (OSError, ValueError) as error:
        raise StateError(f"The CA file {ca_file} can't be used: {error}.") from error


def store_stamp(folder: Path, data: bytes, stamp: Stamp, size: int) -> Path:
    """Keep a time-stamp beside what it stamps, durably; returns the file of the stamp."""
    day = folder / stamp.time.strftime("%Y-%m-%d")
    make_folders(day)
    path = day / f"{stamp.time:%H%M%S}-{size}{SUFFIX}"
    write_once(path.with_suffix(DATA_SUFFIX), data)
    write_once(path, stamp.data)
    return path


def newest(folder: Path) -> float:
    """Return when the last time-stamp of a folder was made, in seconds; 0 if there is none."""
    stamps = sorted(folder.glob(f"*/*{SUFFIX}"))
    if not stamps:
        return 0.0
    day, (time, _, _) = stamps[-1].parent.name, stamps[-1].stem.partition("-")
    try:
        return datetime.strptime(f"{day} {time}", "%Y-%m-%d %H%M%S").replace(tzinfo=UTC).timestamp()
    except ValueError as error:
        raise StateError(f"{stamps[-1]} is no time-stamp of Sekimori.") from error


def make_folders(path: Path) -> None:
    """Make a folder and the parents that are missing, durably."""
    if not path.is_dir():
        make_folders(path.parent)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
        fsync_folder(path.parent)


def _time(response: TimeStampResponse) -> datetime:
    time = response.tst_info.gen_time
    return time if time.tzinfo else time.replace(tzinfo=UTC)
