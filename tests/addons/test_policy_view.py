"""What a worker reads of the published policy, and what it does not believe."""

from __future__ import annotations

import hashlib
import os

import msgspec
import pytest

from sekimori.addons.view import PolicyView
from sekimori.errors import PolicyUnavailableError
from sekimori.policy.flat import dump_flat
from sekimori.policy.people import People, Person, dump_people
from sekimori.policy.snapshot import dump
from sekimori.policy.standing import EMPTY, Standing
from sekimori.policy.standing_file import dump_standing
from sekimori.vault.pointers import Current, PointerSigner, PointerVerifier, StandingPointer
from sekimori.vault.published import PolicySeal
from support.policies import policy

NOW_US = 1_775_012_345_678_901
SEAL = PolicySeal(bytes(range(32)))
SIGNER, OTHER = PointerSigner(bytes(range(32))), PointerSigner(bytes(32))
POLICY = dump(policy().snapshot)
FLAT = dump_flat(policy().snapshot)
PEOPLE = dump_people(People([Person(name="yamada", proxy_password="$argon2id$x")]))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Published:
    """The folder as a publisher fills it."""

    def __init__(self, folder):
        self.folder = folder
        self.view = PolicyView(
            folder, seal=SEAL, verifier=PointerVerifier.of(SIGNER), max_age=900, now=lambda: NOW_US
        )
        self.issued = 0

    def write(self, kind, data, *, seal=SEAL, name=""):
        (self.folder / SEAL.name(kind, name or sha256(data))).write_bytes(seal.seal(data, kind, sha256(data)))

    def point(self, people=PEOPLE, *, signer=SIGNER, **changes):
        said = {"policy": sha256(POLICY), "flat": sha256(FLAT), "people": sha256(people)}
        self.put("current.json", signer.sign(Current(**(self.issue() | said | changes))))

    def stand(self, made=EMPTY, *, signer=SIGNER, **changes):
        data = dump_standing(made)
        self.write("standing", data)
        said = {"standing": sha256(data)}
        self.put("standing.json", signer.sign(StandingPointer(**(self.issue() | said | changes))))

    def issue(self):
        self.issued += 1
        return {"issued_us": NOW_US - 100 + self.issued, "serial": self.issued}

    def put(self, name, pointer):
        draft = self.folder / "draft"
        draft.write_bytes(msgspec.json.encode(pointer))
        os.utime(draft, ns=(self.issued, self.issued))
        draft.replace(self.folder / name)

    async def names(self):
        await self.view.refresh()
        return [person.name for person in self.view.people or ()]


@pytest.fixture
def published(tmp_path):
    made = Published(tmp_path)
    made.write("flat", FLAT)
    made.write("people", PEOPLE)
    made.stand()
    return made


async def test_what_is_published_is_opened_and_in_force(published):
    published.point()
    assert await published.names() == ["yamada"]
    assert published.view.policy.snapshot.hash == sha256(POLICY)


SUZUKI = dump_people(People([Person(name="suzuki", proxy_password="$argon2id$y")]))


def _readable(published):
    (published.folder / f"people-{sha256(SUZUKI)}.json").write_bytes(SUZUKI)


@pytest.mark.parametrize(
    "publish",
    [
        pytest.param(lambda p: None, id="missing"),
        pytest.param(_readable, id="readable, as an older release wrote it"),
        pytest.param(
            lambda p: p.write("people", SUZUKI, seal=PolicySeal(bytes(32))), id="sealed under another key"
        ),
        pytest.param(lambda p: p.write("people", PEOPLE, name=sha256(SUZUKI)), id="an older file renamed"),
        pytest.param(
            lambda p: (p.folder / SEAL.name("people", sha256(SUZUKI))).write_bytes(SUZUKI), id="not sealed"
        ),
        pytest.param(
            lambda p: (p.folder / SEAL.name("people", sha256(SUZUKI))).write_bytes(b"{broken"), id="damaged"
        ),
    ],
)
async def test_a_forged_or_damaged_file_never_replaces_a_good_one(published, publish):
    published.point()
    assert await published.names() == ["yamada"]
    publish(published)
    published.point(SUZUKI)
    assert await published.names() == ["yamada"]
    assert [person.name for person in published.view.policy.people] == ["yamada"]


async def test_a_worker_that_never_opened_a_policy_has_none(published):
    published.write("flat", FLAT, seal=PolicySeal(bytes(32)))
    published.point()
    assert await published.names() == []
    with pytest.raises(PolicyUnavailableError):
        _ = published.view.policy


async def test_once_the_file_is_whole_again_it_is_taken(published):
    published.point()
    await published.names()
    published.point(SUZUKI)
    assert await published.names() == ["yamada"]
    published.write("people", SUZUKI)
    published.point(SUZUKI)
    assert await published.names() == ["suzuki"]


@pytest.mark.parametrize(
    "point",
    [
        pytest.param(lambda p: p.point(SUZUKI, signer=OTHER), id="signed by somebody else"),
        pytest.param(lambda p: p.put("current.json", _altered(p)), id="altered after it was signed"),
        pytest.param(lambda p: p.point(SUZUKI, serial=0), id="older than the one before"),
        pytest.param(lambda p: (p.folder / "current.json").write_bytes(b"{}"), id="no pointer"),
        pytest.param(lambda p: (p.folder / "current.json").write_bytes(b" " * 70_000), id="endless"),
    ],
)
async def test_a_pointer_that_the_publisher_did_not_just_issue_changes_nothing(published, point):
    published.write("people", SUZUKI)
    published.point()
    assert await published.names() == ["yamada"]
    point(published)
    assert await published.names() == ["yamada"]
    published.point(SUZUKI)
    assert await published.names() == ["suzuki"]


def _altered(published):
    current = SIGNER.sign(
        Current(**published.issue(), policy=sha256(POLICY), flat=sha256(FLAT), people=sha256(PEOPLE))
    )
    return msgspec.structs.replace(current, people=sha256(SUZUKI))


SUSPENDED = Standing(version=2, suspended_grants=frozenset({"g1"}))


async def test_a_suspension_reaches_a_worker_whose_policy_no_longer_compiles(published):
    published.point()
    await published.names()
    assert published.view.policy.standing == EMPTY
    published.stand(SUSPENDED)
    await published.view.refresh()
    assert published.view.policy.standing.stops_grant("g1")
    assert published.view.policy.snapshot.hash == sha256(POLICY)


@pytest.mark.parametrize(
    "stand",
    [
        pytest.param(lambda p: p.stand(signer=OTHER), id="signed by somebody else"),
        pytest.param(lambda p: p.stand(serial=0), id="an older pointer is put back"),
        pytest.param(lambda p: p.stand(Standing(version=1)), id="a newer pointer names an older standing"),
        pytest.param(lambda p: p.stand(standing="0" * 64), id="it names a file that is not there"),
        pytest.param(lambda p: (p.folder / "standing.json").write_bytes(b"\x00"), id="broken"),
        pytest.param(lambda p: (p.folder / "standing.json").unlink(), id="deleted"),
    ],
)
async def test_nothing_but_a_newer_signed_standing_lifts_a_suspension(published, stand):
    published.point()
    published.stand(SUSPENDED)
    await published.view.refresh()
    stand(published)
    await published.view.refresh()
    assert published.view.policy.standing.stops_grant("g1")
    published.stand(Standing(version=3))
    await published.view.refresh()
    assert not published.view.policy.standing.stops_grant("g1")


async def test_without_a_standing_nothing_is_admitted(tmp_path):
    published = Published(tmp_path)
    published.write("flat", FLAT)
    published.write("people", PEOPLE)
    published.point()
    await published.view.refresh()
    with pytest.raises(PolicyUnavailableError):
        _ = published.view.policy


async def test_a_standing_that_nobody_stands_by_any_more_ends_the_policy_too(published):
    published.stand(issued_us=NOW_US - 901_000_000)
    published.point()
    await published.view.refresh()
    with pytest.raises(PolicyUnavailableError, match="too old"):
        _ = published.view.policy
