"""HTTP and the page; nothing of it is built yet."""
