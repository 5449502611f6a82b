"""Views of a running pipeline as figures in a notebook: they follow the data, and say when there is none any more."""
