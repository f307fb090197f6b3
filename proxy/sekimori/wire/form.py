"""Forms: multipart and URL-encoded bodies, as uploads and older clients send them.

Parsers of multipart bodies differ more than those of JSON, so a form is ``sure`` only in its plainest shape.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from sekimori.wire.media import inline, is_textual
from sekimori.wire.model import Attachment
from sekimori.wire.texts import texts_of_file

FORM_TYPES = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})
MAX_PARTS = 1000
_MAX_FIELD = 1 << 20
_BOUNDARY = re.compile(r';\s*boundary=(?:"([^"]{1,200})"|([^;"\s]{1,200}))', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*(name|filename)="((?:[^"\\]|\\.){0,1000}+)"', re.IGNORECASE)
_DISPOSITION = re.compile(r"^content-disposition:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_TYPE = re.compile(r"^content-type:([^\r\n]*)", re.IGNORECASE | re.MULTILINE)


@dataclass(slots=True)
class Form:
    """The fields and files of a form; ``sure`` is false where another parser might find others."""

    fields: dict[str, str] = field(default_factory=dict)
    attachments: list[Attachment] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    sure: bool = True

    def add(self, name: str, value: str) -> None:
        """Add a field; one given twice is not sure."""
        if name in self.fields:
            self.sure = False
            self.texts.append(self.fields[name])
        self.fields[name] = value


def read_form(body: bytes, content_type: str) -> Form:
    """Read a form as far as it can be read."""
    form = Form()
    if content_type.lower().lstrip().startswith("multipart/"):
        _multipart(form, body, content_type)
    else:
        _encoded(form, body)
    return form


def _encoded(form: Form, body: bytes) -> None:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_PARTS)
    except ValueError:
        form.sure = False
        form.texts.append(body.decode("utf-8", "replace"))
        return
    form.sure = b";" not in body
    for name, value in pairs:
        form.add(name, value)


def _multipart(form: Form, body: bytes, content_type: str) -> None:
    found = _BOUNDARY.findall(content_type)
    if len(found) != 1:
        form.sure = False
        form.attachments.append(inline(body))
        return
    parts = body.split(b"--" + (found[0][0] or found[0][1]).encode("utf-8", "replace"), MAX_PARTS)
    # Nothing may stand before the first boundary or behind the last.
    form.sure = not parts[0] and len(parts) > 2 and parts[-1].startswith(b"--") and not parts[-1][2:].strip()
    for part in parts[1:-1] if form.sure else parts:
        _part(form, part)


def _part(form: Form, part: bytes) -> None:
    head, gap, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    if not gap or not content.endswith(b"\r\n"):
        form.sure = False
        if part.strip(b"\r\n-"):
            form.attachments.append(inline(part))
        return
    content = content[:-2]
    lines = head.decode("utf-8", "replace")
    disposition = _DISPOSITION.findall(lines)
    named = _PARAMETER.findall(";" + disposition[0].partition(";")[2]) if len(disposition) == 1 else []
    parameters = {key.lower(): value for key, value in named}
    form.sure = form.sure and len(parameters) == len(named) > 0 and "*=" not in lines and "\\" not in lines
    declared = _TYPE.search(lines)
    _place(form, parameters, content, declared[1].strip() if declared else "")


def _place(form: Form, parameters: dict[str, str], content: bytes, declared: str) -> None:
    filename = parameters.get("filename")
    if filename is None and len(content) <= _MAX_FIELD:
        try:
            form.add(parameters.get("name", ""), content.decode())
            return
        except UnicodeDecodeError:
            form.sure = False
    attachment = inline(content, declared=declared, name=filename or "")
    if is_textual(attachment.media_type):
        text = content.decode("utf-8", "replace")
        attachment = inline(content, declared=declared, name=filename or "", read="�" not in text)
        form.texts += texts_of_file(text)
    form.attachments.append(attachment)
    if filename:
        form.texts.append(filename)
