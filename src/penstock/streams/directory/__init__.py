"""The store that is a folder."""

from penstock.streams.directory.store import SEGMENT_BYTES, DirectoryStore

__all__ = ["SEGMENT_BYTES", "DirectoryStore"]
