"""Instruments' bytes to messages and back, one pure codec a file."""
