"""The sinks that come with penstock, one a file."""
