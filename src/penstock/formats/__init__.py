"""The bytes of our own files, without opening one."""
