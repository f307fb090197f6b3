"""Witnesses: who remembers elsewhere how far a log got, and says so under a key of their own.

Both sides of C2SP's tlog-witness: the bytes that cross (``protocol``), whether a checkpoint may be
cosigned (``verdict``), a witness's memory and answers (``memory``, ``service``, ``app``), and the log's
side, which asks one witness (``client``) or several at once (``group``).
"""
