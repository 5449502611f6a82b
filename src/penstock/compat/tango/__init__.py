"""For Tango: a device server for a running pipeline."""
