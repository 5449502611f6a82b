"""The front door for users of SNAP: their files are read, run, and converted to pipelines."""
