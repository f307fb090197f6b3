"""The demo's steps: each does one thing with a real client, and returns what it saw or raises.

A step's evidence is what the client saw and what the far side saw; the record is looked at afterwards.
"""

from __future__ import annotations

import html
import itertools
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
from scene import REFUSED, SITE, Scene
from websockets.sync.client import connect

from support.installation import secret
from support.rawclient import RawClient, basic
from support.standin.answers import TEXT

MINUTES = "先週の会議録を三行に要約してください。"
QUESTION = "予算案は承認されましたか。"
MARKED = "【機密性２】来年度の採用予定数は次のとおりです。英語に直してください。"
_OURS = ("proxy-", "x-sekimori", "x-forwarded", "via")
_KEY = "sk-demo-not-a-real-key"
_PAUSE = 0.15
_REAL_PAUSES = 4


class Unexpected(Exception):  # noqa: N818 - the demo's verdict on a step
    """A step did not do what it says."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is about to happen, in Japanese and English; ``run`` names what yields the lines of evidence."""

    ja: str
    en: str
    run: str


STEPS = (
    Step("承認されたサービスに質問する", "An approved chat, with the openai SDK", "approved_chat"),
    Step("回答を逐次受け取る", "An approved stream, with the anthropic SDK", "approved_stream"),
    Step("リアルタイム会話をする", "An approved realtime session, over a WebSocket", "websocket"),
    Step("承認のないウェブチャットを開く", "A web chat that nobody approved, with curl", "web_chat"),
    Step("助言のない要注意サービスを呼ぶ", "DeepSeek, with the openai SDK", "deepseek"),
    Step("許可を受けていない利用者", "A person without a grant", "unapproved_user"),
    Step("利用期間が終わった利用者", "A person whose grant has ended", "expired_grant"),
    Step(
        "機密性2の文章を約款型サービスへ送る",
        "Confidential text, to a service on standard terms",
        "marked_text",
    ),
    Step("生成AIではないサイトを開く", "A site that is not AI", "ordinary_site"),
)


def approved_chat(scene: Scene) -> Iterator[str]:
    """Ask and get the answer as if nothing stood in between."""
    before = len(scene.services.server.seen)
    with scene.http("yamada") as http:
        sdk = openai.OpenAI(api_key=_KEY, http_client=http, max_retries=0)
        answer = sdk.chat.completions.create(model="gpt-x", messages=[{"role": "user", "content": MINUTES}])
    text = answer.choices[0].message.content
    expect(text == TEXT, f"the answer is {text!r}")
    sent = scene.services.server.seen[before:]
    expect(
        len(sent) == 1 and MINUTES.encode() in sent[0].body,
        "the service did not see the prompt as it was sent",
    )
    own = [
        name for name in sent[0].headers if name.startswith(("proxy-", "x-sekimori", "via", "x-forwarded"))
    ]
    expect(not own, f"the service saw headers of the gate: {own}")
    yield f"yamada → api.openai.com: {MINUTES}"
    yield f"api.openai.com → yamada: {text}"


def approved_stream(scene: Scene) -> Iterator[str]:
    """Get the pieces of an answer when they are written, not when it is complete."""
    arrived: list[tuple[float, str]] = []
    with scene.http("yamada") as http:
        sdk = anthropic.Anthropic(api_key=_KEY, http_client=http, max_retries=0)
        started = time.monotonic()
        with sdk.messages.stream(
            model="claude-x",
            max_tokens=200,
            messages=[{"role": "user", "content": "広報文を英語に直してください。"}],
            extra_headers={"X-Standin-Pause": str(_PAUSE)},
        ) as stream:
            arrived += [(time.monotonic() - started, word) for word in stream.text_stream]
    expect("".join(word for _, word in arrived) == TEXT, f"the answer is {arrived}")
    gaps = [later - earlier for (earlier, _), (later, _) in itertools.pairwise(arrived)]
    expect(sum(gap > _PAUSE / 2 for gap in gaps) >= _REAL_PAUSES, f"the pieces came together: {gaps}")
    yield " ".join(f"{at:.2f}s「{word.strip()}」" for at, word in arrived)


def websocket(scene: Scene) -> Iterator[str]:
    """Talk over a WebSocket; each turn becomes a record of its own."""
    content = [{"type": "input_text", "text": QUESTION}]
    item = {"type": "message", "role": "user", "content": content}
    received: list[dict[str, Any]] = []
    with connect(
        "wss://api.openai.com/v1/realtime?model=gpt-x",
        ssl=scene.context(),
        proxy=scene.installation.proxy("yamada"),
        open_timeout=20,
    ) as socket:
        socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
        socket.send(json.dumps({"type": "response.create"}))
        while not received or received[-1]["type"] != "response.done":
            received.append(json.loads(socket.recv(timeout=20)))
    words = [event["delta"] for event in received if "delta" in event]
    expect(words == ["は", "い"], f"the session answered {received}")
    yield f"yamada → api.openai.com: {QUESTION}"
    yield f"api.openai.com → yamada: {''.join(words)}"


def web_chat(scene: Scene) -> Iterator[str]:
    """Meet the page that says why."""
    navigation = {"Accept": "text/html", "Accept-Language": "ja", "Sec-Fetch-Mode": "navigate"}
    options = [part for name, value in navigation.items() for part in ("-H", f"{name}: {value}")]
    result = scene.curl("yamada", "-i", *options, "https://chatgpt.com/")
    if result is None:
        yield "curl がないため Python で開きます。 There is no curl here; Python asks instead."
        with scene.http("yamada") as http:
            answer = http.get("https://chatgpt.com/", headers=navigation)
        status, reason, page = answer.status_code, answer.headers.get("x-sekimori-reason"), answer.text
    else:
        expect(result.returncode == 0, f"curl said {result.stderr.strip()}")
        head, _, page = result.stdout.replace("\r\n", "\n").partition("\n\n")
        status = int(head.split()[1])
        reason = (re.findall(r"(?m)^x-sekimori-reason: (\S+)", head, re.IGNORECASE) or [""])[0]
    expect((status, reason) == (403, "DENY_NO_GRANT"), f"the answer is {status} {reason}")
    expect('lang="ja"' in page and "<script" not in page, "this is not the gate's page")
    yield f"{status} {reason}"
    yield from readable(page)[:5]


def deepseek(scene: Scene) -> Iterator[str]:
    """Get the provider's own exception; no connection to the service is ever opened."""
    host = "https://api.deepseek.com"
    yield from refused(scene, "yamada", "DENY_ADVICE_REQUIRED", base_url=host, model="deepseek-chat")
    expect(scene.trap.server.accepted == 0, "a refused service was connected to")
    yield f"{' / '.join(REFUSED)}: 接続 0 回 · connections opened: 0"


def unapproved_user(scene: Scene) -> Iterator[str]:
    """Be somebody whom no grant names."""
    yield from refused(scene, "ito", "DENY_USER_OUT_OF_SCOPE")


def expired_grant(scene: Scene) -> Iterator[str]:
    """Be somebody whose grant ended last month."""
    yield from refused(scene, "suzuki", "DENY_PLAN_EXPIRED")


def marked_text(scene: Scene) -> Iterator[str]:
    """Send what may not leave; the service never sees it."""
    before = len(scene.services.server.seen)
    with scene.http("yamada") as http:
        sdk = anthropic.Anthropic(api_key=_KEY, http_client=http, max_retries=0)
        try:
            sdk.messages.create(
                model="claude-x", max_tokens=200, messages=[{"role": "user", "content": MARKED}]
            )
        except anthropic.PermissionDeniedError as error:
            reason = error.response.headers.get("x-sekimori-reason", "")
            expect(reason == "DENY_TOS_CONFIDENTIAL", f"the reason is {reason}")
            yield f"yamada: anthropic.PermissionDeniedError {reason}"
            yield from sentences(error.body)
        else:
            raise Unexpected("marked text was let through")
    expect(len(scene.services.server.seen) == before, "marked text reached the service")


def ordinary_site(scene: Scene) -> Iterator[str]:
    """See the site's own certificate: the gate does not read what is none of its business."""
    issuers = {}
    for host, root in (("api.openai.com", scene.root), (SITE, scene.site_root)):
        with RawClient(scene.installation.gate) as client:
            client.connect(f"{host}:443", basic("yamada", secret("yamada")))
            issuers[host] = client.tls(host, root)
            if host == SITE:
                reply = client.request(f"GET /news HTTP/1.1\nHost: {SITE}\nConnection: close")
                expect(reply.status == 200, f"the site answered {reply.status}")
    expect(issuers[SITE] == "Stand-in test CA", f"{SITE} showed a certificate of {issuers[SITE]}")
    expect(issuers["api.openai.com"] != issuers[SITE], "the AI service was not decrypted")
    yield from (
        f"{host}: 証明書の発行者 · certificate issued by {issuer}" for host, issuer in issuers.items()
    )


# --- helpers ---------------------------------------------------------------------------------


def expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads like assert
    """Go on, or say what was seen instead."""
    if not holds:
        raise Unexpected(otherwise)


def refused(
    scene: Scene, user: str, reason: str, *, base_url: str | None = None, model: str = "gpt-x"
) -> Iterator[str]:
    """Ask with the openai SDK, expect its own exception, and return what it says."""
    before = len(scene.services.server.seen)
    with scene.http(user) as http:
        sdk = openai.OpenAI(api_key=_KEY, base_url=base_url, http_client=http, max_retries=0)
        try:
            sdk.chat.completions.create(model=model, messages=[{"role": "user", "content": MINUTES}])
        except openai.PermissionDeniedError as error:
            found = error.response.headers.get("x-sekimori-reason", "")
            body = error.body
        else:
            raise Unexpected(f"{user} was let through")
    expect(found == reason, f"the reason is {found}")
    expect(len(scene.services.server.seen) == before, "the service saw the request")
    yield f"{user}: openai.PermissionDeniedError {found}"
    yield from sentences(body)


def sentences(body: object) -> list[str]:
    """Return what a provider's error says, without the reference: Japanese, then English."""
    while isinstance(body, dict) and isinstance(body.get("error"), dict):
        body = body["error"]
    text = str(body.get("message", "")) if isinstance(body, dict) else str(body)
    return [part.strip() for part in re.split(r"\[DENY_[^\]]*\]", text) if part.strip()]


def readable(page: str) -> list[str]:
    """Return the lines of a page that a person reads."""
    body = re.sub(r"<(style|head)\b.*?</\1>", "", page, flags=re.DOTALL)
    lines = (html.unescape(re.sub(r"<[^>]+>", "", line)).strip() for line in body.splitlines())
    return [line for line in lines if line]
