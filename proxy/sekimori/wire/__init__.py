"""Wire formats of generative AI services, read from bytes: pure, sans-io, bounded, never raising to callers.

``read`` turns requests and responses into the values of ``model``; ``redact`` cuts credentials from what will
be stored; ``shape`` tells which error a client expects; ``turns`` divides WebSocket sessions. Dialects are
recognised by shape (path suffix and body), never by host, and live one to a file in ``dialects``.
"""
