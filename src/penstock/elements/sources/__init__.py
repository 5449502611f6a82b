"""The built-in sources, one instrument a file."""
