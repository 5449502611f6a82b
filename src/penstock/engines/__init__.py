"""What executes a plan; each engine is found by its entry point."""
