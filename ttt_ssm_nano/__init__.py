"""The nano domain: a small state-space model that adapts online to a plant it cannot see.

What it is for: the shortest path from an observation to a weight change, small enough to be checked
against closed forms. What it refuses: a second set of safety rules; its updates are guarded by the
same transaction as every other change.
"""
