"""For ASAPO: its own clients, unmodified, are served out of a store of durable streams."""
