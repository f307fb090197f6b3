"""What a credential looks like: the tables that ``redact`` works by.

Every pattern is anchored where something was found and can't backtrack, so that the cost stays linear
whatever the bytes. A kind names who issued the credential, as far as its form tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MARK = b"[redacted:"

# One pass over the bytes stops at the rarest character of each form and looks around it: searching for thirty
# literals one by one costs ten times as much. The characters are the keys of ``TOKENS``.
ANCHOR = re.compile(
    rb"-(?:(?<=sk-)|(?<=sk-ant-)|(?<=xai-)|(?<=pplx-)|(?<=glpat-)|(?<=xox[a-z]-)|(?<=xapp-)|----BEGIN )"
    rb"|_(?:(?<=gh[a-z]_)|(?<=pat_)|(?<=ek_)|(?<=hf_)|(?<=gsk_)|(?<=r8_)|(?<=npm_)|(?<=sk_live_))"
    rb"|J(?<=eyJ)|I(?:(?<=A[KS]I)A|(?<=AI)za)|9(?<=ya29)\.|B(?=earer[ \t])"
)


@dataclass(frozen=True, slots=True)
class Token:
    """A credential that its form gives away: its anchor stands ``offset`` bytes from its start."""

    kind: str
    offset: int
    pattern: re.Pattern[bytes]
    group: int = 0


def _token(kind: str, prefix: bytes, tail: bytes, offset: int | None = None, *, group: int = 0) -> Token:
    # What stands before must not belong to the same word: "task-" holds no "sk-".
    before = rb"(?<![A-Za-z0-9_])"
    return Token(
        kind, len(prefix) - 1 if offset is None else offset, re.compile(before + prefix + tail), group
    )


_WORD = rb"[A-Za-z0-9_-]"
TOKENS: dict[int, tuple[Token, ...]] = {
    ord("-"): (
        _token("openai-key", rb"sk-", rb"(?!ant-)" + _WORD + rb"{16,}+"),
        _token("anthropic-key", rb"sk-", rb"ant-" + _WORD + rb"{8,}+"),
        _token("xai-key", rb"xai-", _WORD + rb"{20,}+"),
        _token("perplexity-key", rb"pplx-", _WORD + rb"{20,}+"),
        _token("gitlab-token", rb"glpat-", _WORD + rb"{16,}+"),
        _token("slack-token", rb"xox[abeprs]-", rb"[A-Za-z0-9-]{10,}+", 4),
        _token("slack-token", rb"xapp-", rb"[A-Za-z0-9-]{10,}+"),
    ),
    ord("_"): (
        _token("github-token", rb"gh[oprsu]_", rb"[A-Za-z0-9]{16,}+", 3),
        _token("github-token", rb"github_pat_", rb"[A-Za-z0-9_]{16,}+"),
        _token("openai-key", rb"ek_", rb"[A-Za-z0-9]{16,}+"),
        _token("huggingface-token", rb"hf_", rb"[A-Za-z0-9]{20,}+"),
        _token("groq-key", rb"gsk_", rb"[A-Za-z0-9]{20,}+"),
        _token("replicate-token", rb"r8_", rb"[A-Za-z0-9]{20,}+"),
        _token("npm-token", rb"npm_", rb"[A-Za-z0-9]{30,}+"),
        _token("stripe-key", rb"sk_live_", rb"[A-Za-z0-9]{16,}+"),
    ),
    ord("J"): (
        # Not after a hyphen either: "eyJ-eyJ-eyJ-..." would be scanned to its end from each start.
        _token("jwt", rb"(?<!-)eyJ", _WORD + rb"{10,}+\." + _WORD + rb"{10,}+(?:\." + _WORD + rb"*+)?", 2),
    ),
    ord("I"): (
        _token("google-key", rb"AIza", _WORD + rb"{30,}+", 1),
        _token("aws-key-id", rb"A[KS]IA", rb"[A-Z0-9]{16}(?![A-Za-z0-9])", 2),
    ),
    ord("9"): (_token("google-token", rb"ya29\.", rb"[A-Za-z0-9_.-]{16,}+", 3),),
    ord("B"): (
        _token(
            "bearer", rb"Bearer", rb"[ \t]++((?=[^\d\s\"'\\]{0,512}+\d)[A-Za-z0-9._~+/=-]{16,}+)", 0, group=1
        ),
    ),
}
KEY_BEGIN = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
KEY_END = re.compile(rb"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")

# Members of JSON objects and fields of forms whose value is a credential, whatever it looks like. "token"
# alone is not among them: log probabilities come with the token that they belong to.
_NAMES = (
    rb"(?:access|refresh|id|auth|session|security|csrf|oauth|bearer|device|bot|api|personal[_-]?access)[_-]?token"
    rb"|(?:aws[_-]?)?(?:client|app|consumer|webhook|signing|shared)[_-]?secret|secret|api[_-]?key|app[_-]?key"
    rb"|(?:aws[_-]?)?secret(?:[_-]?access)?[_-]?key|(?:account|private|encryption|subscription)[_-]?key"
    rb"|password|passwd|passphrase|pwd|(?:proxy[_-]?)?authorization|x[_-]api[_-]key|x[_-]goog[_-]api[_-]key|cookie"
)
# What stands at the end of every such name: a body in which no member's name ends so is free of them.
NAME_END = re.compile(
    rb'"(?=[ \t\r\n]*+:)(?:(?<=ken")|(?<=ret")|(?<=key")|(?<=ord")|(?<=wd")|(?<=ase")'
    rb'|(?<=zation")|(?<=kie")|(?<=\\"))',
    re.IGNORECASE,
)
MEMBER = re.compile(
    rb'"(?:' + _NAMES + rb')"\s*+:\s*+(?:"((?:[^"\\]|\\.)++)"|(-?\d[\d.eE+-]*+))',
    re.IGNORECASE | re.DOTALL,
)
# The same inside a string that holds JSON: its quotes are escaped once.
NESTED = re.compile(
    rb'\\"(?:' + _NAMES + rb')\\"(?:\s|\\[nrt])*+:(?:\s|\\[nrt])*+\\"((?:[^"\\]|\\\\\\.|\\[^"])++)\\"',
    re.IGNORECASE,
)
FIELD_NAME = re.compile(
    rb"(?:key|token|sig|signature|auth|sessionid|sid|jwt|x-amz-(?:signature|credential|security-token)|"
    + _NAMES
    + rb")",
    re.IGNORECASE,
)

# Header fields. Counters of model tokens ("x-ratelimit-remaining-tokens") are none.
SECRET_HEADER = re.compile(
    r"(?:proxy-)?authorization|cookie|set-cookie2?|authentication-info|x-amz-signature"
    r"|.*(?:token(?!s)|secret|passw|credential|api[-_]?key|access[-_]?key|jwt|signature).*|.*[-_]auth",
    re.IGNORECASE,
)
SAFE_HEADER = re.compile(
    r".*(?:ratelimit|rate-limit|max-token).*|access-control-.*|www-authenticate", re.IGNORECASE
)
SUBPROTOCOL = re.compile(
    r"((?:openai-insecure-api-key|authorization|bearer|token|apikey)[.=-])([^,\s]+)", re.IGNORECASE
)
SCHEME = re.compile(r"(Bearer|Basic|Token|Negotiate|NTLM|ApiKey|Digest)\s+(.+)", re.IGNORECASE | re.DOTALL)
