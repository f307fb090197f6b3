"""Recorded answers as Replicate's client reads them: the stream of a prediction."""

from replicate.client import Client
from replicate.exceptions import ReplicateError
from replicate.prediction import Prediction

from sekimori.wire.model import RequestReading
from support.oracle import Said, answered_on, compare, joined, transport
from support.traffic import Recorded, needs_traffic

pytestmark = needs_traffic
ORACLES = {"Replicate's client": ("replicate",)}


def ask(recording: Recorded, request: RequestReading) -> Said:
    sdk = Client(api_token="k", transport=transport(recording))
    if "/streams/" not in recording.url:
        made = sdk.predictions.create(version="v", input={})
        return Said(joined(made.output) if made.output else "", error=made.error or "")
    urls = {"stream": recording.url}
    streamed = Prediction(id="p", model="m", version="v", status="starting", input={}, output=None,
                          logs=None, error=None, metrics=None, created_at="", started_at="",
                          completed_at="", urls=urls)  # fmt: skip
    streamed._client = sdk
    return Said(joined(event.data for event in streamed.stream() if event.event.value == "output"))


def test_replicates_client_reads_the_same_answers():
    exchanges = answered_on(r"/(predictions|streams/[^/]+)$", providers={"replicate"})
    count, found = compare(exchanges, ask, ReplicateError)
    assert found == []
    assert set(count) == set(ORACLES["Replicate's client"])
    assert count.total() >= 2
