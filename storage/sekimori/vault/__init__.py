"""The vault: key files, and what is sealed, encrypted, hashed or fingerprinted with them.

A gate worker can seal what only the archivist can open; content in the database is encrypted under
a data key. Nothing here knows records, tables or processes.
"""
