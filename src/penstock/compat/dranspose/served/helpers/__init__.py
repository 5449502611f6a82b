"""What users call beside."""
