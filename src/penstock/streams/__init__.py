"""Streams that can be read again; no store is built yet."""
