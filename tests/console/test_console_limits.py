from __future__ import annotations

from sekimori.console.limits import Attempts


def test_failures_are_forgotten_after_the_window():
    attempts = Attempts(2, 100)
    attempts.failed("a", 0)
    assert attempts.wait_us("a", 10) == 0
    attempts.failed("a", 10)
    assert attempts.wait_us("a", 20) == 80
    assert attempts.wait_us("a", 100) == 0


def test_clients_are_counted_apart():
    attempts = Attempts(1, 100)
    attempts.failed("a", 0)
    assert attempts.wait_us("a", 1) > 0
    assert attempts.wait_us("b", 1) == 0


def test_a_flood_of_addresses_does_not_grow_the_memory():
    attempts = Attempts(1, 100, clients=3)
    for client in range(1000):
        attempts.failed(str(client), 0)
    assert len(attempts._failures) == 3
    assert attempts.wait_us("999", 1) > 0
