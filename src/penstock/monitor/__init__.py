"""Counters, and the reports that terminals print."""
