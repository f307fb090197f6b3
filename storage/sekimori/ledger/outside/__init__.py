"""What else remembers a log's checkpoints: time-stamps, folders that are written once, and how old it is.

Each in the hands of somebody other than the log's own administrator. Witnesses have a room of their own.
"""
