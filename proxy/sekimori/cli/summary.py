"""What the wire readers see in a recorded interaction, be it a request or a WebSocket session."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from sekimori.cli.readings import shown
from sekimori.cli.recordings import Recording
from sekimori.cli.session import summary_of_session
from sekimori.wire.encoding import dechunked
from sekimori.wire.model import Head
from sekimori.wire.read import read_request, read_response
from sekimori.wire.unknown import evidence, kind_by_shape


def summary(recording: Recording) -> dict[str, Any]:
    """Say what the wire readers see in one interaction, as they would with a host that nobody knows."""
    url = urlsplit(recording.request.url)
    path = url.path + (f"?{url.query}" if url.query else "")
    head = Head(recording.request.method, url.netloc, path or "/", recording.request.headers)
    if recording.frames:
        return summary_of_session(recording.id, head, recording.frames)
    asked, response = dechunked(recording.request.body_b64 or b""), recording.response
    request = read_request(head, asked)
    fields = response.headers if response else ()
    answered = dechunked((response.body_b64 if response else None) or b"")
    signs = evidence(head, request, fields, body=asked, answered=answered)
    read = read_response(head, request, response.status, fields, answered) if response and answered else None
    return shown(recording.id, request, read, kind=kind_by_shape(head, request, signs))
