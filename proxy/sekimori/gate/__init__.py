"""The gate process: a lean mitmproxy master, its certificate authority, its resolver, its PAC file."""
