"""The notebook's door to a running pipeline; nothing of it is built yet."""
