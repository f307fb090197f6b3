"""Who is asking: Basic proxy authentication, its cache and its bounds."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.addons.guesses import Guesses
from sekimori.addons.identity import Authenticator, Overloaded, basic_credentials
from sekimori.policy.people import People, Person


def header(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class Verifier:
    """Accepts ``stored`` followed by an exclamation mark, counts, and can be told to hang."""

    def __init__(self) -> None:
        self.calls = 0
        self.go = Event()
        self.go.set()

    def __call__(self, stored: str, password: str) -> bool:
        self.calls += 1
        self.go.wait(10)
        return password == stored + "!"


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


class Desk:
    """People that can be replaced, as a publication replaces them."""

    def __init__(self, pool: ThreadPoolExecutor, *, max_waiting: int = 64) -> None:
        self.people: People | None = People([person()])
        self.verifier = Verifier()
        self.clock = Clock()
        self.authenticator = Authenticator(
            lambda: self.people,
            self.verifier,
            key=b"k" * 32,
            monotonic=self.clock,
            pool=pool,
            max_waiting=max_waiting,
        )


def person(stored: str = "secret", *, disabled: bool = False) -> Person:
    return Person(name="yamada", groups=(), roles=(), disabled=disabled, proxy_password=stored)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="nothing"),
        pytest.param("Basic", id="no credentials"),
        pytest.param("Basic !!!", id="not base64"),
        pytest.param("Bearer abc", id="another scheme"),
        pytest.param(header("yamada", ""), id="an empty password"),
        pytest.param(header("", "secret!"), id="an empty name"),
        pytest.param("Basic " + base64.b64encode(b"\xff\xfe:x").decode(), id="not utf-8"),
        pytest.param("Basic " + "A" * 10_000, id="too long"),
    ],
)
def test_what_is_not_a_name_with_a_password_is_nobody(value):
    assert basic_credentials(value) is None


@given(st.text(max_size=3000))
def test_any_header_is_read_without_an_exception(value):
    basic_credentials(value)


def test_a_password_may_hold_colons():
    assert basic_credentials(header("yamada", "a:b:c")) == ("yamada", "a:b:c")


@pytest.mark.parametrize("name", ["yamada", "YAMADA", "ｙａｍａｄａ"])
async def test_a_name_is_compared_after_folding_case_and_width(pool, name):
    identity = await Desk(pool).authenticator.identify(header(name, "secret!"))
    assert identity is not None
    assert identity.person.name == "yamada"


async def test_a_wrong_password_is_refused(pool):
    assert await Desk(pool).authenticator.identify(header("yamada", "wrong")) is None


@pytest.mark.req("MOU-1-8")
@pytest.mark.parametrize(
    "people",
    [
        pytest.param(None, id="nobody was published yet"),
        pytest.param(People([]), id="unknown"),
        pytest.param(People([person(disabled=True)]), id="disabled"),
        pytest.param(
            People([Person(name="yamada", groups=(), roles=(), disabled=False, proxy_password=None)]),
            id="no proxy password",
        ),
    ],
)
async def test_whoever_is_not_a_current_person_is_refused_unverified(pool, people):
    desk = Desk(pool)
    desk.people = people
    assert await desk.authenticator.identify(header("yamada", "secret!")) is None
    assert desk.verifier.calls == 0


async def test_a_verified_password_is_believed_for_a_minute_and_no_longer(pool):
    desk = Desk(pool)
    for _ in range(3):
        assert await desk.authenticator.identify(header("yamada", "secret!"))
    assert desk.verifier.calls == 1
    desk.clock.seconds = 60.1
    assert await desk.authenticator.identify(header("yamada", "secret!"))
    assert desk.verifier.calls == 2


async def test_a_changed_password_ends_the_old_one_with_the_publication(pool):
    desk = Desk(pool)
    assert await desk.authenticator.identify(header("yamada", "secret!"))
    desk.people = People([person("other")])
    assert await desk.authenticator.identify(header("yamada", "secret!")) is None
    assert await desk.authenticator.identify(header("yamada", "other!"))


async def test_a_disabled_person_is_refused_although_the_password_is_cached(pool):
    desk = Desk(pool)
    assert await desk.authenticator.identify(header("yamada", "secret!"))
    desk.people = People([person(disabled=True)])
    assert await desk.authenticator.identify(header("yamada", "secret!")) is None


async def test_the_same_question_at_once_is_verified_once(pool):
    desk = Desk(pool)
    desk.verifier.go.clear()
    asked = [asyncio.create_task(desk.authenticator.identify(header("yamada", "secret!"))) for _ in range(20)]
    await asyncio.sleep(0.05)
    desk.verifier.go.set()
    assert all(await asyncio.gather(*asked))
    assert desk.verifier.calls == 1


async def test_more_guesses_than_the_bound_are_turned_away_at_once(pool):
    desk = Desk(pool, max_waiting=3)
    desk.verifier.go.clear()
    waiting = [
        asyncio.create_task(desk.authenticator.identify(header("yamada", f"guess {number}")))
        for number in range(3)
    ]
    await asyncio.sleep(0.05)
    with pytest.raises(Overloaded):
        await desk.authenticator.identify(header("yamada", "one more"))
    desk.verifier.go.set()
    assert await asyncio.gather(*waiting) == [None, None, None]


# --- guessing ---------------------------------------------------------------------------------------


async def guessed(desk: Desk, count: int, *, name: str = "yamada", client: str = "192.0.2.7") -> None:
    for number in range(count):
        assert await desk.authenticator.identify(header(name, f"wrong {number}"), client) is None


@pytest.mark.req("MOU-1-8")
async def test_after_ten_different_wrong_passwords_none_is_looked_at_for_a_while(pool):
    desk = Desk(pool)
    await guessed(desk, 30)
    assert desk.verifier.calls == 10
    assert await desk.authenticator.identify(header("Ｙamada", "secret!"), "192.0.2.7") is None
    desk.clock.seconds += 301
    assert await desk.authenticator.identify(header("yamada", "secret!"), "192.0.2.7") is not None


async def test_whoever_guesses_locks_nobody_out_elsewhere_nor_under_another_name(pool):
    desk = Desk(pool)
    desk.people = People([person(), Person(name="ito", proxy_password="secret")])
    await guessed(desk, 30)
    assert await desk.authenticator.identify(header("yamada", "secret!"), "192.0.2.8") is not None
    assert await desk.authenticator.identify(header("ito", "secret!"), "192.0.2.7") is not None


async def test_a_program_that_repeats_an_old_password_does_not_lock_the_new_one_out(pool):
    desk = Desk(pool)
    for _ in range(50):
        desk.clock.seconds += 4
        assert await desk.authenticator.identify(header("yamada", "old"), "192.0.2.7") is None
    assert await desk.authenticator.identify(header("yamada", "secret!"), "192.0.2.7") is not None


def test_what_is_remembered_of_guesses_is_bounded():
    guesses = Guesses(Clock())
    for number in range(30_000):
        guesses.wrong(f"n{number}", "192.0.2.7", b"x")
    for number in range(100):
        guesses.wrong("yamada", "192.0.2.7", bytes([number]))
    assert len(guesses._wrong) == 20_000
    assert len(guesses._wrong["yamada", "192.0.2.7"]) == 10
