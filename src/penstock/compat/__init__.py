"""The front doors for users of other systems. Each is found by entry point, and none knows another."""
