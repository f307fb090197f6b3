"""Operations that no dialect reads yet, told by their path: a grant lists them by kind; they pass unread."""

from __future__ import annotations

from sekimori.wire.model import Kind
from sekimori.wire.target import Target

# The last of these words that stands in a path decides, so that /files/ID/content is a file. A word counts
# only as a whole segment, or behind the colon of a Google method.
_WORDS: dict[str, Kind] = {
    "files": "file",
    "uploads": "file",
    "batches": "batch",
    "batchGenerateContent": "batch",
    "images": "image",
    "audio": "audio",
    "speech": "audio",
    "transcriptions": "audio",
    "tts": "audio",
    "stt": "audio",
    "moderations": "moderate",
    "rerank": "rerank",
    "threads": "state",
    "assistants": "state",
    "conversations": "state",
    "vector_stores": "state",
    "cachedContents": "state",
    "fine_tuning": "train",
    "fine_tunes": "train",
    "fine-tunes": "train",
    "tunedModels": "train",
    "realtime": "realtime",
}
# Reading an answer that the service kept is no generation: it has no prompt and names no model.
_KEPT = frozenset({"responses", "completions", "messages"})
_READS = frozenset({"GET", "HEAD"})


def kind_of(method: str, target: Target) -> Kind:
    """Tell the kind of an operation by its path alone."""
    parts = target.segments
    if method in _READS and ("models" in parts[-3:] or target.ends("deployments")):
        tail = parts[parts.index("models") + 1 :] if "models" in parts else ()
        if len(tail) <= 2:
            return "model-list"
    if "organization" in parts:
        return "other-ai"  # what was used and paid, whichever operation it was for
    for part in reversed(parts):
        word = part.rpartition(":")[2]
        if word in _WORDS:
            return _WORDS[word]
        if word in _KEPT:
            return "state"
    return "other-ai"
