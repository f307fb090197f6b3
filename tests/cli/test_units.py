"""Sizes, durations and addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.cli.units import Address, parse_address, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        pytest.param("0B", 0, id="nothing"),
        pytest.param("64MiB", 64 * 2**20, id="binary"),
        pytest.param("1.5 GiB", 3 * 2**29, id="a fraction and a space"),
        pytest.param("10MB", 10**7, id="decimal"),
    ],
)
def test_a_size_is_read_as_bytes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("15min", 900, id="minutes"),
        pytest.param("500ms", 0.5, id="milliseconds"),
        pytest.param("1.5h", 5400, id="a fraction"),
        pytest.param("7d", 604800, id="days"),
    ],
)
def test_a_duration_is_read_as_seconds(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("read", [parse_size, parse_duration, parse_address])
@given(text=st.text(max_size=30))
def test_any_text_is_read_or_refused_with_a_sentence(read, text):
    refused = ""
    try:
        read(text)
    except ValueError as error:
        refused = str(error)
    assert not refused or "write" in refused


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        pytest.param("127.0.0.1:1", True, id="IPv4 loopback"),
        pytest.param("127.9.9.9:1", True, id="all of 127/8"),
        pytest.param("[::1]:1", True, id="IPv6 loopback"),
        pytest.param("localhost:1", True, id="localhost"),
        pytest.param("0.0.0.0:1", False, id="every address"),
        pytest.param("[::]:1", False, id="every IPv6 address"),
        pytest.param("localhost.example:1", False, id="a name"),
    ],
)
def test_only_a_loopback_address_counts_as_this_machine(text, loopback):
    address = parse_address(text)
    assert (str(address), address.loopback) == (text, loopback)


def test_an_address_may_leave_the_port_to_the_system():
    assert parse_address("127.0.0.1:0") == Address("127.0.0.1", 0)
