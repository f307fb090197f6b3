"""One spelling for every host; an address in any notation is no host."""

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sekimori.catalogue.hosts import Host, HostError, canonical_host


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        pytest.param("chatgpt.com", "chatgpt.com", id="as it is"),
        pytest.param("ChatGPT.COM", "chatgpt.com", id="upper case"),
        pytest.param("chatgpt.com.", "chatgpt.com", id="the root's dot"),
        pytest.param(b"ChatGPT.com", "chatgpt.com", id="bytes"),
        pytest.param("ｃｈａｔｇｐｔ.ｃｏｍ", "chatgpt.com", id="full width"),
        pytest.param("chatgpt。com", "chatgpt.com", id="ideographic full stop"),
        pytest.param("chatgpt．com。", "chatgpt.com", id="full-width dots, one at the end"),
        pytest.param("chat\u00adgpt.com", "chatgpt.com", id="soft hyphen"),
        pytest.param("chat\u200bgpt.com", "chatgpt.com", id="zero-width space"),
        pytest.param("𝐜𝐡𝐚𝐭𝐠𝐩𝐭.com", "chatgpt.com", id="mathematical letters"),
        pytest.param("日本語.jp", "xn--wgv71a119e.jp", id="Japanese label"),
        pytest.param("総務省.JP".encode(), "xn--lhr645fjve.jp", id="Japanese label in UTF-8"),
        pytest.param("faß.de", "xn--fa-hia.de", id="sharp s stays itself"),
        pytest.param("XN--WGV71A119E.jp", "xn--wgv71a119e.jp", id="an A-label stays one"),
        pytest.param("my_bucket.example.com", "my_bucket.example.com", id="underscore"),
        pytest.param(
            "r1---sn-abc.example.com", "r1---sn-abc.example.com", id="hyphens in third and fourth place"
        ),
        pytest.param("localhost", "localhost", id="one label"),
        pytest.param("1password.com", "1password.com", id="a label that begins with a digit"),
        pytest.param("0xdeadbeef.example", "0xdeadbeef.example", id="hex not in the last label"),
        pytest.param("1.1.1.1.in-addr.arpa", "1.1.1.1.in-addr.arpa", id="numbers before a name"),
        pytest.param("a" * 63 + ".jp", "a" * 63 + ".jp", id="longest label"),
        pytest.param("a." * 126 + "a", "a." * 126 + "a", id="longest name"),
    ],
)
def test_every_spelling_of_a_host_becomes_one(raw, name):
    assert canonical_host(raw) == Host(name)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("192.0.2.1", id="dotted"),
        pytest.param("192.0.2.1.", id="dotted with the root's dot"),
        pytest.param("2130706433", id="decimal"),
        pytest.param("0x7f000001", id="hex"),
        pytest.param("0X7F000001", id="hex in capitals"),
        pytest.param("017700000001", id="octal"),
        pytest.param("0177.0.0.1", id="octal byte"),
        pytest.param("0x7f.0.0x0.1", id="mixed"),
        pytest.param("127.1", id="short"),
        pytest.param("127.0.1", id="three parts"),
        pytest.param("0", id="zero"),
        pytest.param("0x", id="hex without digits"),
        pytest.param("１２７.0.0.1", id="full-width digits"),
        pytest.param("①②⑦.0.0.1", id="circled digits"),
        pytest.param("127。0。0。1", id="ideographic full stops"),
        pytest.param("::1", id="IPv6"),
        pytest.param("[::1]", id="IPv6 in brackets"),
        pytest.param("[::1].", id="IPv6 with the root's dot"),
        pytest.param("2001:DB8::A", id="IPv6 in capitals"),
        pytest.param("::ffff:1.2.3.4", id="mapped"),
        pytest.param("[::ffff:7f00:1]", id="mapped in hex"),
        pytest.param("64:ff9b::1.2.3.4", id="NAT64"),
        pytest.param("fe80::1%eth0", id="zone"),
        pytest.param("[fe80::1%25eth0]", id="escaped zone in brackets"),
        pytest.param("[v1.fe80::a]", id="a future version"),
        pytest.param(b"[::1]", id="bytes"),
    ],
)
def test_an_address_in_any_notation_is_told_from_a_name(raw):
    with pytest.raises(HostError) as caught:
        canonical_host(raw)
    assert caught.value.reason == "ip-literal"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param(".", id="only a dot"),
        pytest.param("a..com", id="empty label"),
        pytest.param(".chatgpt.com", id="leading dot"),
        pytest.param("chatgpt.com..", id="two dots at the end"),
        pytest.param("chatgpt%2ecom", id="percent-encoded dot"),
        pytest.param("%63hatgpt.com", id="percent-encoded letter"),
        pytest.param("chatgpt％2ecom", id="full-width percent"),
        pytest.param("user@chatgpt.com", id="user info"),
        pytest.param("chatgpt.com:443", id="port"),
        pytest.param("chatgpt.com/", id="path"),
        pytest.param("chatgpt.com\\.example.jp", id="backslash"),
        pytest.param("℀.example", id="a slash hidden in one character"),
        pytest.param("chatgpt.com\x00.example.jp", id="null byte"),
        pytest.param("chatgpt.com\r\nHost: example.jp", id="line break"),
        pytest.param(" chatgpt.com", id="space"),
        pytest.param("chat\tgpt.com", id="tab"),
        pytest.param("*.example.jp", id="star"),
        pytest.param("a" * 64 + ".jp", id="label of 64"),
        pytest.param("a." * 127 + "a", id="name of 255"),
        pytest.param("あ" * 300, id="a long label to encode"),
        pytest.param("a" * 5000, id="far too long"),
        pytest.param(b"\xff.jp", id="not UTF-8"),
        pytest.param("\ud800.jp", id="lone surrogate"),
        pytest.param("256.0.0.1", id="byte too large"),
        pytest.param("1.2.3.4.5", id="five parts"),
        pytest.param("4294967296", id="decimal too large"),
        pytest.param("09.1.1.1", id="nine in an octal number"),
        pytest.param("example.1", id="a name that ends in a number"),
        pytest.param("[1.2.3.4]", id="IPv4 in brackets"),
        pytest.param("[::1", id="bracket left open"),
        pytest.param("[::1]x", id="text after the bracket"),
        pytest.param("1::2::3", id="IPv6 with two gaps"),
        pytest.param("-\u0301.jp", id="combining mark the rules forbid"),
    ],
)
def test_what_names_no_host_is_malformed(raw):
    with pytest.raises(HostError) as caught:
        canonical_host(raw)
    assert caught.value.reason == "malformed"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("сhatgpt.com", id="Cyrillic s"),
        pytest.param("chatgρt.com", id="Greek rho"),
        pytest.param("chatgpt.c\u043em", id="Cyrillic o in the top level"),
    ],
)
def test_a_homograph_is_just_another_host(raw):
    name = canonical_host(raw).name
    assert name.isascii()
    assert "xn--" in name
    assert name != "chatgpt.com"


ODD = st.sampled_from(
    [*"..-_%@:[]/\\*xX0123456789aF", "。", "．", "ａ", "ß", "\u00ad", "\u200d", "℀", "①", "xn--"]
)


@given(st.one_of(st.text(), st.binary(), st.lists(ODD, max_size=24).map("".join)))
@example("xn--a")
@example("\u3002")
@example("\u00ad")
def test_anything_gives_a_canonical_name_or_a_host_error(raw):
    try:
        host = canonical_host(raw)
    except HostError:
        return
    assert canonical_host(host.name) == host
    assert canonical_host(host.name.upper() + ".") == host
    assert set(host.name) <= set(string.ascii_lowercase + string.digits + "-_.")
    assert len(host.name) <= 253


@given(st.ip_addresses().map(str))
def test_no_address_passes_for_a_name(address):
    for spelling in (address, f"[{address}]" if ":" in address else f"{address}."):
        with pytest.raises(HostError) as caught:
            canonical_host(spelling)
        assert caught.value.reason == "ip-literal"


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from([hex, str, lambda n: f"0{n:o}"]))
def test_an_ipv4_address_is_seen_in_any_base_and_number_of_parts(number, parts, base):
    leading = [(number >> 8 * (3 - i)) & 0xFF for i in range(parts - 1)]
    last = number & (256 ** (5 - parts) - 1)
    with pytest.raises(HostError) as caught:
        canonical_host(".".join(map(base, [*leading, last])))
    assert caught.value.reason == "ip-literal"
