"""Sleep: what sessions learned, audited, then trained into a candidate for the next base.

    harvest -> audit -> consolidate -> candidate -> promote, or reject

`night.py` is the one door of a night, `promotion.py` that of what becomes of its candidate.
"""
