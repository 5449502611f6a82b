"""Chains of steps over plain values, fused as far as they go: what the chains engine is made of.

A *strand* is what runs without a queue inside: a feed, the steps behind it, and where items go from there. Between
strands lie bounded *edges*.
"""
