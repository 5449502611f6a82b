"""What users' modules import from ``dranspose``: each module here stands for the one of the same name there."""
