"""Which host belongs to which AI service, and what may be done with its traffic.

Pure: a name in, an entry of the shipped catalogue out. Whether anybody may use that service is for
``sekimori.policy`` to say; this room only knows the facts and how to compare host names.
"""
