"""Documents in the formats of an office: a ``Paper`` in, bytes out, and a filled-in form back.

Not pure, but still: the instant a document is made is an argument, nothing else of the machine goes into it,
and the same paper gives the same bytes, so that the SHA-256 of a document can stand in the ledger. What a
document says is laid out by ``governance``; what is read here is hostile until it has been read.
"""
