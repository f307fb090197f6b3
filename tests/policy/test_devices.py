"""Devices are named by their addresses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.policy.devices import Devices

NAMES = {
    "10.1.0.0/16": "main building",
    "10.1.2.0/24": "third floor",
    "10.1.2.9": "kiosk",
    "2001:db8::/64": "lab",
}


@pytest.mark.parametrize(
    ("address", "name"),
    [
        pytest.param("10.1.2.9", "kiosk", id="one device"),
        pytest.param("10.1.2.10", "third floor", id="the smaller network"),
        pytest.param("10.1.3.1", "main building", id="the larger one"),
        pytest.param("::ffff:10.1.3.1", "main building", id="a mapped address"),
        pytest.param("2001:db8::7", "lab", id="an address of six"),
        pytest.param("10.2.0.1", None, id="elsewhere"),
        pytest.param("yamada", None, id="no address"),
    ],
)
def test_a_device_is_called(address: str, name: str | None):
    assert Devices(NAMES).name_of(address) == name


@given(st.text())
def test_any_text_is_looked_up(address: str):
    Devices(NAMES).name_of(address)
