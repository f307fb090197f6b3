"""What a worker reads of the published policy, and what it does not believe."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from sekimori.addons.view import PolicyView
from sekimori.errors import PolicyUnavailableError
from sekimori.policy.people import People, Person, dump_people
from sekimori.policy.snapshot import dump
from sekimori.vault.published import PolicySeal
from support.policies import policy

NOW_US = 1_775_012_345_678_901
SEAL = PolicySeal(bytes(range(32)))
POLICY = dump(policy().snapshot)
PEOPLE = dump_people(People([Person(name="yamada", proxy_password="$argon2id$x")]))


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Published:
    """The folder as a publisher fills it."""

    def __init__(self, folder):
        self.folder = folder
        self.view = PolicyView(folder, seal=SEAL, max_age=900, now=lambda: NOW_US)
        self.issued = 0

    def write(self, kind, data, *, seal=SEAL, name=""):
        (self.folder / SEAL.name(kind, name or sha256(data))).write_bytes(seal.seal(data, kind, sha256(data)))

    def point(self, people=PEOPLE, **changes):
        self.issued += 1
        said = {"policy": sha256(POLICY), "people": sha256(people), "issued_us": NOW_US - 10 + self.issued}
        draft = self.folder / "draft"
        draft.write_text(json.dumps(said | changes))
        os.utime(draft, ns=(self.issued, self.issued))
        draft.replace(self.folder / "current.json")

    async def names(self):
        await self.view.refresh()
        return [person.name for person in self.view.people or ()]


@pytest.fixture
def published(tmp_path):
    made = Published(tmp_path)
    made.write("policy", POLICY)
    made.write("people", PEOPLE)
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
    published.write("policy", POLICY, seal=PolicySeal(bytes(32)))
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
