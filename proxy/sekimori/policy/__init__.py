"""Who may use which AI service for what: services, grants, the facts of a request, and the decision.

Pure: no clock, no file, no socket. ``document`` reads what people wrote, ``snapshot`` turns it into
the immutable policy that a gate worker holds, ``decide`` answers one request from it, ``classify``
reads the class of a text, ``reasons`` says in two languages why something was refused.
"""
