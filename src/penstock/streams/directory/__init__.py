"""The store that is a folder."""

from penstock.streams.directory.store import DIRECT_BYTES, SEGMENT_BYTES, DirectoryStore

__all__ = ["DIRECT_BYTES", "SEGMENT_BYTES", "DirectoryStore"]
