"""The front doors for users of other systems; none is built yet."""
