"""What the command `penstock` can do, one command a file."""
