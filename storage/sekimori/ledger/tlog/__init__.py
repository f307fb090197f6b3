"""The transparency log: trees of signed leaves, their checkpoints, and the proofs that others can check.

Everything here speaks formats that were not invented here (RFC 6962 and 9162, C2SP signed-note,
tlog-checkpoint, tlog-tiles and tlog-cosignature, Sigsum's leaves and proofs), so that an auditor needs no
tool of ours. The disk is touched by ``shelf``, ``lane``, ``opening``, ``superlog``,
``disk`` and ``lockstore`` only; all else is pure.
"""
