"""The database of evidence: what the archivist moves out of the spool, and how it is read and checked.

``tables`` names the columns, ``engine`` opens and migrates, ``rows`` turns spool entries into sealed
rows, ``lanes`` numbers them, ``ingest`` and ``archivist`` write them, ``log`` reads them for people,
``verify`` re-hashes them all. ``people`` and ``policies`` keep accounts and decisions taken elsewhere,
``publish`` turns those two into the files that gate workers read.
"""
