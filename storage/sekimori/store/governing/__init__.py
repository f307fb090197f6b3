"""What is governed, kept: each thing as it is, all that happened to it, and the one way to change it."""

from __future__ import annotations

from sekimori.store.governing.conflicts import OnceConflict, VersionConflict
from sekimori.store.governing.governing import Governing, Step
from sekimori.store.governing.lazy import changed_since, stamp_on, state_on

__all__ = ["Governing", "OnceConflict", "Step", "VersionConflict", "changed_since", "stamp_on", "state_on"]
