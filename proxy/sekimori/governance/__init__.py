"""From application to grant: who may decide what, on which evidence, and what follows from it.

Pure: no clock, no database, no randomness. Every change is a command, done by an actor at an instant
under the rules of a profile: ``commands.perform(state, command, actor, at_us, rules)`` gives a ``Change``
(the new state and the events that the ledger records) or raises ``Forbidden``; nothing is half applied.
What may follow what is a table (``machine``); ``admitted`` turns the grants into policy.
"""
