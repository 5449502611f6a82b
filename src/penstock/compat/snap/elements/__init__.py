"""The elements that SNAP brings, under its names and with its arguments."""
