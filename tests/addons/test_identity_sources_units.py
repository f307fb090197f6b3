"""Credentials, the directory's people and what a connection vouches for, without a network."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from mitmproxy.test import tflow

from sekimori.addons.credentials import Credentials
from sekimori.addons.identity import Authenticator
from sekimori.addons.peers import Certificate, Peers
from sekimori.addons.roster import Registered, Roster, Unavailable
from sekimori.addons.verifying import Overloaded
from sekimori.addons.vouching import Doubtful, Vouchers, Vouching
from sekimori.errors import SekimoriError
from sekimori.policy.agentkeys import new_key
from sekimori.policy.people import People, Person

TEXT, KEY = new_key(lambda size: bytes(size), grant="g-1", label="", now_us=1)
ALL = ("basic", "ldap", "apikey")


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Directory:
    """Knows people and passwords, counts the questions, and can be gone or hang."""

    def __init__(self, **groups: tuple[str, ...]) -> None:
        self.groups = groups
        self.asked: list[str] = []
        self.gone = False
        self.go = Event()
        self.go.set()

    def find(self, name: str) -> Person | None:
        self.asked.append(f"find {name}")
        self.go.wait(10)
        if self.gone:
            raise SekimoriError("no answer")
        found = self.groups.get(name.lower())
        return None if found is None else Person(name=name.lower(), groups=found)

    def verify(self, name: str, password: str) -> Person | None:
        person = self.find(name)
        self.asked[-1] = f"verify {name}"
        return person if password == f"{name.lower()}!" else None


class House:
    """Accounts, a directory, and everything in between."""

    def __init__(self, pool: ThreadPoolExecutor, *accounts: Person, sources: tuple[str, ...] = ALL) -> None:
        self.clock = Clock()
        self.directory = Directory(ito=("section",), ueda=())
        self.roster = Roster(self.directory, pool=pool, monotonic=self.clock)
        self.publish(*accounts)
        passwords = Authenticator(
            lambda: self.people,
            lambda stored, password: stored == password,
            key=b"k" * 32,
            monotonic=self.clock,
            pool=pool,
        )
        self.credentials = Credentials(
            lambda: self.people,
            passwords,
            sources=sources,
            key=b"k" * 32,
            monotonic=self.clock,
            roster=self.roster,
        )

    def publish(self, *accounts: Person) -> None:
        self.people: People = Registered(People(accounts), self.roster)

    async def source(self, header: str) -> str:
        identity = await self.credentials.identify(header, "192.0.2.1")
        return "" if identity is None else f"{identity.person.name} by {identity.source}"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


LOCAL = Person(name="yamada", proxy_password="secret", groups=("here",), keys=(KEY,))
CLOSED = Person(name="ueda", disabled=True)
ROLES = Person(name="ito", roles=("auditor",), groups=("here",))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        pytest.param(basic("yamada", "secret"), "yamada by basic", id="a password kept here"),
        pytest.param(basic("yamada", "yamada!"), "", id="another password for a name with one of its own"),
        pytest.param(basic("ito", "ito!"), "ito by ldap", id="a password of the directory"),
        pytest.param(basic("ITO", "ITO!"), "", id="a wrong password of the directory"),
        pytest.param(basic("ueda", "ueda!"), "", id="an account closed here that the directory knows"),
        pytest.param(basic("nobody", "nobody!"), "", id="nobody"),
        pytest.param(f"Bearer {TEXT}", f"yamada by key/{KEY.id}/g-1", id="a key"),
        pytest.param(f"bearer  {TEXT} ", f"yamada by key/{KEY.id}/g-1", id="a key with blanks"),
        pytest.param(basic("key", TEXT), f"yamada by key/{KEY.id}/g-1", id="a key as a password"),
        pytest.param(
            basic("YAMADA", TEXT), f"yamada by key/{KEY.id}/g-1", id="a key as its owner's password"
        ),
        pytest.param(basic("ito", TEXT), "", id="a key as somebody else's password"),
        pytest.param(f"Bearer {TEXT}x", "", id="a longer key"),
        pytest.param("Bearer secret", "", id="a bearer of something else"),
        pytest.param("Bearer " + "A" * 5000, "", id="an endless header"),
        pytest.param("Negotiate abc", "", id="another scheme"),
    ],
)
async def test_who_presents(pool: ThreadPoolExecutor, header: str, said: str):
    assert await House(pool, LOCAL, CLOSED, ROLES).source(header) == said


@pytest.mark.parametrize(
    ("sources", "header"),
    [
        pytest.param(("ldap",), basic("yamada", "secret"), id="a password kept here"),
        pytest.param(("basic",), basic("ito", "ito!"), id="a password of the directory"),
        pytest.param(("basic", "ldap"), f"Bearer {TEXT}", id="a key"),
    ],
)
async def test_a_source_that_is_not_configured_knows_nobody(
    pool: ThreadPoolExecutor, sources: tuple[str, ...], header: str
):
    assert await House(pool, LOCAL, sources=sources).source(header) == ""


async def test_an_account_and_the_directory_make_one_subject(pool: ThreadPoolExecutor):
    house = House(pool, ROLES)
    assert await house.source(basic("ito", "ito!")) == "ito by ldap"
    person = house.people.get("ito")
    assert person is not None
    assert (person.groups, person.roles) == (("here", "section"), ("auditor",))
    house.publish(Person(name="ito", disabled=True))
    assert await house.source(basic("ito", "ito!")) == ""


async def test_a_verified_password_is_believed_for_a_minute(pool: ThreadPoolExecutor):
    house = House(pool)
    for _ in range(3):
        assert await house.source(basic("ito", "ito!"))
    assert house.directory.asked == ["verify ito"]
    house.clock.seconds += 60.1
    assert await house.source(basic("ito", "ito!"))
    assert len(house.directory.asked) == 2


async def test_a_directory_that_is_gone_is_not_a_wrong_password(pool: ThreadPoolExecutor):
    house = House(pool, LOCAL)
    house.directory.gone = True
    for _ in range(5):
        with pytest.raises(Unavailable):
            await house.source(basic("ito", "ito!"))
    assert len(house.directory.asked) == 1  # a breaker: nobody waits for it five times
    assert await house.source(basic("yamada", "secret"))
    house.directory.gone = False
    house.clock.seconds += 2.1
    assert await house.source(basic("ito", "ito!"))


async def test_one_name_that_guesses_does_not_take_every_thread(pool: ThreadPoolExecutor):
    house = House(pool)
    house.directory.go.clear()
    guesses = [asyncio.create_task(house.source(basic("ito", f"guess {n}"))) for n in range(9)]
    await asyncio.sleep(0.05)
    assert isinstance(guesses[8].exception(), Overloaded)
    house.directory.go.set()
    assert await asyncio.gather(*guesses[:8]) == [""] * 8


async def test_what_the_directory_says_bites_within_five_minutes(pool: ThreadPoolExecutor):
    house = House(pool)
    await house.source(basic("ito", "ito!"))
    house.directory.groups = {"ito": ("other",)}
    house.clock.seconds += 140
    await house.roster.renew({"ito"})
    person = house.people.get("ito")
    assert person is not None
    assert person.groups == ("section",)
    house.clock.seconds += 15
    await house.roster.renew({"ito"})
    person = house.people.get("ito")
    assert person is not None
    assert person.groups == ("other",)
    assert house.roster.version == 1
    house.directory.groups = {}
    house.clock.seconds += 155
    await house.roster.renew({"ito"})
    assert house.people.get("ito") is None
    assert house.roster.version == 2


async def test_an_outage_refuses_whom_the_directory_knew_within_five_minutes(pool: ThreadPoolExecutor):
    house = House(pool)
    await house.source(basic("ito", "ito!"))
    house.directory.gone = True
    house.clock.seconds += 280
    await house.roster.renew({"ito"})
    assert house.people.get("ito") is not None
    house.clock.seconds += 15
    assert house.people.get("ito") is None
    await house.roster.renew({"ito"})
    assert house.roster.version == 1


async def test_the_follower_tells_of_a_change_and_not_of_quiet(pool: ThreadPoolExecutor):
    house = House(pool)
    await house.source(basic("ito", "ito!"))
    told: list[int] = []
    following = asyncio.create_task(
        house.roster.follow(lambda: {"ito"}, lambda: told.append(1), interval=0.01)
    )
    await asyncio.sleep(0.05)
    assert told == []
    house.directory.groups = {}
    house.clock.seconds += 155
    await asyncio.sleep(0.1)
    following.cancel()
    assert told == [1]


# --- what a connection vouches for -----------------------------------------------------------


def shown(*hosts: str, cn: str = "", until_us: int = 10) -> Certificate:
    return Certificate(
        sha256="a" * 64, hosts=frozenset(hosts), names={"cn": cn} if cn else {}, until_us=until_us
    )


class Seen(Peers):
    """Peers that have shown what a test says."""

    def __init__(self, certificate: Certificate | None) -> None:
        super().__init__()
        self._certificate = certificate

    def certificate(self, _: object) -> Certificate | None:
        return self._certificate


async def known(name: str) -> Person | None:
    return Person(name=name) if name in {"yamada", "ito"} else None


def vouching(certificate: Certificate | None, **changes: object) -> Vouching:
    told = {"parents": frozenset({"squid.example"}), "header": "x-authenticated-user", "certificate": "cn"}
    return Vouching(Vouchers(**(told | changes)), Seen(certificate), present=known, now=lambda: 5)  # type: ignore[arg-type]


def flow(*headers: tuple[str, str]):
    asked = tflow.tflow()
    for name, value in headers:
        asked.request.headers.add(name, value)
    return asked


CLAIM = ("X-Authenticated-User", "yamada")


@pytest.mark.parametrize(
    ("certificate", "headers", "said"),
    [
        pytest.param(None, (CLAIM,), "", id="a header without a certificate"),
        pytest.param(shown("squid.example"), (CLAIM,), "yamada header/mtls", id="a parent's header"),
        pytest.param(shown("squid.example", cn="ito"), (), "", id="a parent's own name is nobody's"),
        pytest.param(shown("other.example"), (CLAIM,), "", id="a header of another host"),
        pytest.param(shown("other.example", cn="ito"), (CLAIM,), "ito mtls", id="a person who claims more"),
        pytest.param(shown(cn="ito"), (), "ito mtls", id="a person"),
        pytest.param(shown(cn="nobody"), (), "", id="a person whom nobody knows"),
        pytest.param(shown(cn="ito", until_us=5), (), "", id="a certificate whose time is over"),
        pytest.param(shown("squid.example", until_us=5), (CLAIM,), "", id="a parent whose time is over"),
        pytest.param(
            shown("squid.example"), (("X-Authenticated-User", "-"),), "", id="Squid's word for nobody"
        ),
        pytest.param(
            shown("squid.example"), (("X-Authenticated-User", "y" * 300),), "", id="an endless name"
        ),
    ],
)
async def test_a_connection_vouches_for(
    certificate: Certificate | None, headers: tuple[tuple[str, str], ...], said: str
):
    identity = await vouching(certificate).identify(flow(*headers))
    assert ("" if identity is None else f"{identity.person.name} {identity.source}") == said


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param((CLAIM, CLAIM), id="twice the same"),
        pytest.param((CLAIM, ("x-authenticated-user", "ito")), id="two names"),
        pytest.param((("X-Authenticated-User", "yamada, ito"),), id="a list"),
    ],
)
async def test_a_parent_that_contradicts_itself_is_refused(headers: tuple[tuple[str, str], ...]):
    with pytest.raises(Doubtful):
        await vouching(shown("squid.example")).identify(flow(*headers))


async def test_a_fingerprint_lists_a_parent_and_a_realm_can_be_cut_off():
    asked = flow(("X-Authenticated-User", "yamada@EXAMPLE.JP"))
    parents = frozenset({"sha256:" + "a" * 64})
    assert await vouching(shown(), parents=parents).identify(asked) is None
    identity = await vouching(shown(), parents=parents, realm="Example.jp").identify(asked)
    assert identity is not None
    assert identity.person.name == "yamada"


@pytest.mark.req("MOU-1-8")
@pytest.mark.parametrize(
    "name",
    ["yamada@OTHER.EXAMPLE", "yamada@EXAMPLE.JP@OTHER", "yamada@", "@EXAMPLE.JP", "yamada@x@EXAMPLE.JP"],
)
async def test_a_namesake_of_another_realm_is_nobody_here(name: str):
    asked = flow(("X-Authenticated-User", name))
    for realm in ("EXAMPLE.JP", ""):
        assert await vouching(shown("squid.example"), realm=realm).identify(asked) is None


@pytest.mark.parametrize(
    ("certificate", "chain", "address"),
    [
        pytest.param(shown("squid.example"), ("6.6.6.6, 192.0.2.7",), "192.0.2.7", id="the last hop"),
        pytest.param(shown("squid.example"), ("6.6.6.6", "192.0.2.7"), "192.0.2.7", id="of the last field"),
        pytest.param(shown("squid.example"), ("2001:db8::1",), "2001:db8::1", id="an address of six"),
        pytest.param(shown("squid.example"), ("192.0.2.7, unknown",), None, id="a hop that is no address"),
        pytest.param(shown("squid.example"), (), None, id="none"),
        pytest.param(shown("other.example"), ("192.0.2.7",), None, id="not from a parent"),
        pytest.param(None, ("192.0.2.7",), None, id="not from anybody known"),
    ],
)
def test_the_device_behind_a_parent_is(
    certificate: Certificate | None, chain: tuple[str, ...], address: str | None
):
    headers = [("X-Forwarded-For", value) for value in chain]
    assert vouching(certificate).address(flow(*headers)) == address


@pytest.mark.req("MOU-1-8")
async def test_guesses_at_a_directory_password_end_before_the_directory_locks_the_account(
    pool: ThreadPoolExecutor,
):
    house = House(pool, LOCAL)
    for number in range(20):
        assert await house.credentials.identify(basic("ito", f"wrong {number}"), "192.0.2.7") is None
    assert sum(asked.startswith("verify") for asked in house.directory.asked) == 10
    assert await house.credentials.identify(basic("ito", "ito!"), "192.0.2.7") is None
    assert await house.credentials.identify(basic("ito", "ito!"), "192.0.2.8") is not None
    house.clock.seconds += 301
    assert await house.credentials.identify(basic("ito", "ito!"), "192.0.2.7") is not None
