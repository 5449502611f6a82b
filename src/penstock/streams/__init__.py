"""Streams that can be read again: what every store can do, and the stores there are."""
