"""A stand-in for AI services on loopback: real TLS, HTTP/1.1, HTTP/2 and WebSockets, real pauses.

Speaks just enough of OpenAI, Anthropic and Gemini for their own SDKs, remembers what it was sent, and
counts the connections it accepted. Run apart: ``python -m support.standin --help``.
"""
