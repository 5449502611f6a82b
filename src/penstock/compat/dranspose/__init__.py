"""dranspose's users' door: their Worker and Reducer classes, trigger maps, dumps and REST paths, on our engines.

Nothing of dranspose itself need be installed, and no line of it is in here.
"""
