"""What a reducer publishes: named arrays and values that are sliceable while they grow."""
