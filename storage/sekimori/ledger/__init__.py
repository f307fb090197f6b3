"""The record: what one exchange is, and the spool on local disk that makes it durable.

The spool is the record; the database is its replica. Nothing here knows SQL, mitmproxy or who may
read what.
"""
