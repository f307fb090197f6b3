"""The super-log: every lane's beginning, progress and end, readable from its own folder."""

import json

from sekimori.ledger.envelope import decode_envelope
from sekimori.ledger.tlog.checkpoint import log_verifier, open_checkpoint, sign_checkpoint
from sekimori.ledger.tlog.keys import PublicKey, key_hash
from sekimori.ledger.tlog.leaf import LeafSigner, check_leaf, is_leaf_of
from sekimori.ledger.tlog.merkle import EMPTY_ROOT
from sekimori.ledger.tlog.note import with_signatures
from sekimori.ledger.tlog.opening import create_lane, open_lane
from sekimori.ledger.tlog.superlog import SuperLog
from support.tlog import GATE, LOG, NOW, WITNESS, MemoryLocks, cosign, cosign_text


def test_each_thing_that_happens_to_a_lane_is_a_signed_leaf(tmp_path):
    locks = MemoryLocks()
    lane = create_lane(
        tmp_path / "super", name="super", signer=WITNESS, locks=locks, now_us=NOW, keeps_envelopes=True
    )
    over = SuperLog(lane, LeafSigner(GATE))
    note = sign_checkpoint(0, EMPTY_ROOT, LOG)
    witnessed = with_signatures(note, cosign_text(note.text))
    assert over.opened("gate-0-2026Q4", LOG.public, NOW) == 0
    assert over.checkpoint("gate-0-2026Q4", witnessed, NOW + 1) == 1
    assert over.closed("gate-0-2026Q4", note, NOW + 2) == 2
    assert over.record("erase", NOW + 3, {"dek": "d-7f3a", "basis": "APPI-35", "by": "sato", "count": 4}) == 3
    over.publish(now_us=NOW + 3, cosign=cosign)
    lane.release()

    lane = open_lane(tmp_path / "super", signer=WITNESS, locks=locks, keeps_envelopes=True)
    said = [decode_envelope(data) for data in lane.envelopes(0, 4)]
    assert [(one["k"], one["n"], one["t"]) for one in said] == [
        ("open", 0, NOW),
        ("checkpoint", 1, NOW + 1),
        ("close", 2, NOW + 2),
        ("erase", 3, NOW + 3),
    ]
    assert said[0]["key"] == LOG.public.hex()
    assert said[1]["note"] == said[2]["note"]
    opened = open_checkpoint(str(said[1]["note"]).encode(), log_verifier(LOG.public))
    assert opened.checkpoint.size == 0
    for leaf, data in zip(lane.leaves(0, 4), lane.envelopes(0, 4), strict=True):
        check_leaf(leaf, {key_hash(GATE.public): PublicKey(GATE.public)})
        assert is_leaf_of(leaf, data)
    assert json.loads(lane.envelopes(3, 4)[0])["lane"] == "super"
