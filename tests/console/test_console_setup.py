from __future__ import annotations

from dataclasses import replace

import pytest

GOOD = "correct horse battery"
TOKEN = "4f9d2c7b-a-long-secret-token"
LINK = f"/setup/{TOKEN}"
OURS = {"origin": "http://sekimori.example:8081"}


def send(client, password: str = GOOD, again: str | None = None, link: str = LINK, **headers: str):
    form = {"password": password, "password_again": password if again is None else again}
    return client.post(link, data=form, headers=OURS | headers)


def test_the_link_shows_a_form_as_often_as_it_is_looked_at(client):
    # Mail scanners and link previews look, too.
    for _ in range(3):
        answered = client.get(LINK)
        assert answered.status_code == 200
        assert 'value="admin"' in answered.text
        assert answered.headers["cache-control"] == "no-store"
        assert answered.headers["referrer-policy"] == "same-origin"


def test_a_good_password_is_set_once(client, house):
    assert send(client).status_code == 200
    assert house.passwords == ["hash of " + GOOD]
    assert send(client, "another good password").status_code == 404
    assert client.get(LINK).status_code == 404
    assert house.passwords == ["hash of " + GOOD]


def test_whoever_comes_second_at_the_same_moment_is_told_that_the_link_is_used(client, house):
    house.outrun = True
    assert send(client).status_code == 404
    assert house.passwords == []


def test_the_link_expires(client, house):
    house.now_us = house.waiting.expires_us
    assert client.get(LINK).status_code == 404
    assert send(client).status_code == 404
    assert house.passwords == []


def test_wrong_used_and_expired_links_cannot_be_told_apart(client, house):
    wrong = client.get("/setup/wrong")
    house.now_us = house.waiting.expires_us
    expired = client.get(LINK)
    house.waiting = None
    used = client.get(LINK)
    assert wrong.text == expired.text == used.text
    assert {wrong.status_code, expired.status_code, used.status_code} == {404}


@pytest.mark.parametrize(
    ("password", "again"),
    [
        pytest.param("", "", id="empty"),
        pytest.param("elevenchars", "elevenchars", id="11 characters"),
        pytest.param("a" * 257, "a" * 257, id="257 characters"),
        pytest.param("aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", id="one character again and again"),
        pytest.param("adminADMINadmin", "adminADMINadmin", id="the user's own name"),
        pytest.param(GOOD, GOOD + "x", id="typed differently"),
    ],
)
def test_a_bad_password_is_refused_before_any_hashing_and_the_link_stays(client, house, password, again):
    answered = send(client, password, again)
    assert answered.status_code == 422
    assert 'role="alert"' in answered.text
    assert not password or password not in answered.text.replace('value="admin"', "")
    assert house.hashed == 0
    assert send(client).status_code == 200


def test_twelve_characters_are_enough(client, house):
    assert send(client, "twelve-chars").status_code == 200


def test_there_is_no_password_before_one_is_chosen(client, house):
    assert house.passwords == []
    assert send(client, link="/setup/").status_code == 404
    house.waiting = None
    assert send(client).status_code == 404
    assert house.passwords == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param({}, 200, id="our own page"),
        pytest.param({"sec-fetch-site": "same-origin"}, 200, id="our own page, said twice"),
        pytest.param({"origin": "https://evil.example"}, 403, id="another site"),
        pytest.param({"origin": "null"}, 403, id="a page that hides its origin"),
        pytest.param({"sec-fetch-site": "cross-site"}, 403, id="fetch metadata says another site"),
        pytest.param({"sec-fetch-site": "same-site"}, 403, id="a neighbour under the same domain"),
    ],
)
def test_a_form_is_taken_from_our_own_page_only(client, house, headers, status):
    assert send(client, **headers).status_code == status
    assert bool(house.passwords) is (status == 200)


def test_a_program_that_says_no_origin_may_set_the_password(client):
    assert client.post(LINK, data={"password": GOOD, "password_again": GOOD}).status_code == 200


def test_whoever_guesses_too_often_waits(client, house):
    for guess in range(10):
        assert client.get(f"/setup/{guess}").status_code == 404
    answered = client.get(LINK)
    assert answered.status_code == 429
    assert answered.headers["retry-after"] == "600"
    assert send(client).status_code == 429
    house.now_us += 600_000_000
    assert client.get(LINK).status_code == 200


def test_the_name_is_escaped(client, house):
    house.waiting = replace(house.waiting, name='"><script>')
    assert "<script" not in client.get(LINK).text
    assert "<script" not in send(client).text


def test_a_form_of_another_kind_is_no_password(client, house):
    answered = client.post(LINK, files={"password": ("a.txt", b"x" * 20)}, headers=OURS)
    assert answered.status_code in {400, 422}
    assert house.passwords == []
