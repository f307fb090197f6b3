"""The commands: one module a noun, its options above and what it does below.

These modules import only what describes a command; the rest is imported when it runs.
"""
