"""The vault: key files, and what is sealed, encrypted, hashed or fingerprinted with them.

A gate worker can seal what only the archivist can open; content in the database is encrypted under a
key of its record, wrapped under a hierarchy of keys in which destroying one erases what stands under it.
Nothing here knows records, tables or processes.
"""
