"""How bytes travel: sockets, and nothing about what they mean."""
