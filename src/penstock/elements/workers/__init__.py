"""The workers that come with penstock, one a file."""
