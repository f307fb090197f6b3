import pytest
from hypothesis import given
from hypothesis import strategies as st

from sekimori.wire.form import read_form
from sekimori.wire.model import Head
from sekimori.wire.read import read_request

TYPE = "multipart/form-data; boundary=B"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(9)


def part(disposition: str, content: bytes, more: str = "") -> bytes:
    return f"--B\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\n".encode() + content + b"\r\n"


MODEL = part('name="model"', b"whisper-1")
FILE = part('name="file"; filename="a.png"', PNG, "Content-Type: text/plain\r\n")
END = b"--B--\r\n"


def upload(body: bytes, content_type: str = TYPE):
    head = Head("POST", "host.example", "/v1/audio/transcriptions", (("Content-Type", content_type),))
    return read_request(head, body)


def test_an_upload_names_its_model_and_its_file():
    reading = upload(MODEL + FILE + part('name="prompt"', "部外秘 の録音".encode()) + END)
    assert (reading.kind, reading.model, reading.model_certain, reading.parse) == (
        "audio",
        "whisper-1",
        True,
        "parsed",
    )
    assert (reading.dialect, reading.prompt) == ("transcription", "部外秘 の録音")
    (attachment,) = reading.attachments
    assert (attachment.name, attachment.media_type, attachment.read) == ("a.png", "image/png", False)
    assert {"部外秘 の録音", "a.png"} <= set(reading.texts)


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(MODEL + part('name="model"', b"other") + END, TYPE, id="twice"),
        pytest.param(MODEL + part('name="model"; filename="x"', b"other") + FILE, TYPE, id="no end"),
        pytest.param(b"preamble" + MODEL + END, TYPE, id="preamble"),
        pytest.param(MODEL + END + MODEL, TYPE, id="epilogue"),
        pytest.param(MODEL + END, "multipart/form-data", id="no boundary"),
        pytest.param(MODEL + END, TYPE + "; boundary=C", id="two boundaries"),
        pytest.param(part("name=model", b"m") + END, TYPE, id="no quotes"),
        pytest.param(part("name=\"x\"; name*=utf-8''model", b"m") + MODEL + END, TYPE, id="extended name"),
        pytest.param(part(r'name="a\"model"', b"m") + MODEL + END, TYPE, id="escaped quote"),
        pytest.param(FILE + END, TYPE, id="absent"),
        pytest.param(MODEL.replace(b"\r\n", b"\n") + END, TYPE, id="bare line feeds"),
        pytest.param(b"model=a&model=b", "application/x-www-form-urlencoded", id="form, twice"),
        pytest.param(b"model=a;model=b", "application/x-www-form-urlencoded", id="form, semicolons"),
    ],
)
def test_a_form_that_parsers_read_differently_is_not_certain(body, content_type):
    assert not upload(body, content_type).model_certain


def test_a_plain_form_is_read():
    reading = upload("model=a&prompt=社外秘+です".encode(), "application/x-www-form-urlencoded")
    assert (reading.model, reading.model_certain) == ("a", True)
    assert "社外秘 です" in reading.texts


def test_a_text_file_is_read_for_the_detector():
    reading = upload(part('name="file"; filename="a.txt"', "極秘 です".encode()) + END)
    assert reading.attachments[0].read
    assert "極秘 です" in reading.texts


@given(
    st.binary(max_size=120)
    | st.lists(st.sampled_from([MODEL, FILE, END, b"--B", b"\r\n", b"x"])).map(b"".join)
)
def test_no_bytes_make_a_form_raise(body):
    for content_type in (TYPE, "multipart/form-data", "application/x-www-form-urlencoded"):
        read_form(body, content_type)
