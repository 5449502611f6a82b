"""The bytes that our own processes exchange, without a socket."""
