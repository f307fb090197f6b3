"""Thin mitmproxy adapters: read the flow, ask the pure rooms, record, act. Every hook fails closed."""
