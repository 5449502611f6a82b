"""What must be fast, measured beside a limit taken in the same run, against its target."""
