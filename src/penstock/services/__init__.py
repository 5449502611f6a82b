"""The parts of a running pipeline that do input and output."""
