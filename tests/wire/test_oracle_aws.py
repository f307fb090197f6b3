"""Recorded answers of Bedrock as botocore reads them: Converse, and the text of each model family's invoke.

botocore takes the HTTP session's answer from a handler of its ``before-send`` event: that is its own seam.
"""

import json
from collections.abc import Iterator
from typing import Any

import boto3  # type: ignore[import-untyped]
import botocore.config  # type: ignore[import-untyped]
from botocore.awsrequest import AWSResponse  # type: ignore[import-untyped]
from botocore.exceptions import ClientError  # type: ignore[import-untyped]

from sekimori.wire.model import RequestReading
from support.oracle import Said, answered_on, compare, joined, value_of
from support.traffic import Recorded, needs_traffic

pytestmark = needs_traffic
ORACLES = {"botocore": ("bedrock-converse", "bedrock-invoke")}

# Where the SDK is wrong, or has no idea of its own.
KNOWN: dict[str, str] = {}


class Raw:
    """What a connection pool would give: the recorded bytes, whole or in pieces."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, amt: int = 1024, decode_content: bool | None = None) -> Iterator[bytes]:
        for at in range(0, len(self._body), amt):
            yield self._body[at : at + amt]

    def read(self, amt: int | None = None, **_: Any) -> bytes:
        amt = len(self._body) if amt is None else amt
        taken, self._body = self._body[:amt], self._body[amt:]
        return taken

    def close(self) -> None:
        pass


def client(recording: Recorded, session: boto3.Session) -> Any:
    made = session.client(
        "bedrock-runtime",
        region_name="us-east-1",
        aws_access_key_id="k",
        aws_secret_access_key="s",
        config=botocore.config.Config(retries={"max_attempts": 0}),
    )

    def answer(request: Any, **_: Any) -> AWSResponse:
        headers = {name.lower(): value for name, value in recording.answered.headers}
        return AWSResponse(request.url, recording.status, headers, Raw(recording.answered.body))

    made.meta.events.register("before-send.bedrock-runtime", answer)
    return made


def usage_of(usage: Any) -> dict[str, int | None]:
    return {
        "input_tokens": usage.get("inputTokens"),
        "output_tokens": usage.get("outputTokens"),
        "total_tokens": usage.get("totalTokens"),
    }


def texts(block: Any) -> list[str]:
    """List the texts of a block: its own, or those that stand between citations."""
    cited = block.get("citationsContent", {}).get("content", [])
    return [block.get("text", ""), *(piece["text"] for piece in cited)]


def converse(sdk: Any) -> Said:
    answer = sdk.converse(modelId="m", messages=[])
    blocks = answer["output"]["message"]["content"]
    calls = tuple(
        (block["toolUse"]["name"], block["toolUse"]["input"]) for block in blocks if "toolUse" in block
    )
    return Said(
        joined(text for block in blocks for text in texts(block)),
        calls,
        usage_of(answer["usage"]),
        finish_reason=answer["stopReason"],
    )


def converse_stream(sdk: Any) -> Said:
    text: list[str | None] = []
    calls: dict[int, list[str]] = {}
    usage: dict[str, int] = {}
    finish = ""
    for event in sdk.converse_stream(modelId="m", messages=[])["stream"]:
        if started := event.get("contentBlockStart", {}).get("start", {}).get("toolUse"):
            calls[event["contentBlockStart"]["contentBlockIndex"]] = [started["name"], ""]
        if moved := event.get("contentBlockDelta"):
            text.append(moved["delta"].get("text"))
            if "toolUse" in moved["delta"]:
                calls[moved["contentBlockIndex"]][1] += moved["delta"]["toolUse"]["input"]
        finish = event.get("messageStop", {}).get("stopReason", finish)
        usage = event.get("metadata", {}).get("usage", usage)
    made = tuple((name, value_of(arguments or "{}")) for name, arguments in calls.values())
    return Said(joined(text), made, usage_of(usage), finish_reason=finish)


def generated(value: Any) -> str | None:
    """Find the text of a whole answer or a chunk of one, by the documented field of each model family."""
    if "results" in value:  # Titan
        return joined(result["outputText"] for result in value["results"][:1])
    if "outputText" in value:
        return str(value["outputText"])
    if "generation" in value:  # Llama
        return str(value["generation"])
    if "completion" in value:  # Claude 2
        return str(value["completion"])
    if "generations" in value:  # Cohere
        return str(value["generations"][0]["text"])
    if "completions" in value:  # Jurassic
        return str(value["completions"][0]["data"]["text"])
    if "outputs" in value:  # Mistral
        return str(value["outputs"][0]["text"])
    if "output" in value:  # Nova
        return joined(part.get("text") for part in value["output"]["message"]["content"])
    if "contentBlockDelta" in value:
        return str(value["contentBlockDelta"]["delta"].get("text") or "")
    if isinstance(value.get("content"), list):  # Claude
        return joined(part.get("text") for part in value["content"] if part["type"] == "text")
    if value.get("type") == "content_block_delta":
        return str(value["delta"].get("text") or "")
    if "text" in value and "is_finished" in value:  # Cohere, streamed
        return "" if value["is_finished"] or value.get("index") else str(value["text"])
    return None


def invoke(sdk: Any) -> Said:
    return Said(generated(json.loads(sdk.invoke_model(modelId="m", body=b"{}")["body"].read())))


def invoke_stream(sdk: Any) -> Said:
    events = sdk.invoke_model_with_response_stream(modelId="m", body=b"{}")["body"]
    return Said(
        joined(generated(json.loads(event["chunk"]["bytes"])) for event in events if "chunk" in event)
    )


OPERATIONS = {
    "converse": converse,
    "converse-stream": converse_stream,
    "invoke": invoke,
    "invoke-with-response-stream": invoke_stream,
}


def test_botocore_reads_the_same_answers():
    session = boto3.Session()

    def ask(recording: Recorded, request: RequestReading) -> Said:
        return OPERATIONS[recording.url.rpartition("/")[2]](client(recording, session))

    paths = r"^/model/[^/]+/(converse|converse-stream|invoke|invoke-with-response-stream)$"
    count, found = compare(answered_on(paths, known=KNOWN), ask, ClientError)
    assert found == []
    assert set(count) == set(ORACLES["botocore"])
    assert count.total() >= 80
