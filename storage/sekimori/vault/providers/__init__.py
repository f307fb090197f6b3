"""The keepers of key-encryption keys: file, passphrase, PKCS#11 token, transit service.

Each module imports what it needs and nothing of the others: ``pkcs11`` is optional.
"""
