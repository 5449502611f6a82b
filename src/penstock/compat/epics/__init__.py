"""A front door for EPICS: a running pipeline as process variables over PVAccess.

It needs nothing but the address that the pipeline printed.
"""
