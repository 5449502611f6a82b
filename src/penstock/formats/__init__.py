"""Our files: bytes in, bytes out. Nothing here opens one."""
