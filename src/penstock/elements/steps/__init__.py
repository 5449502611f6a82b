"""The steps that come with penstock, one a file."""
