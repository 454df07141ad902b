"""Models that learn at test time, made safe, observable and reversible."""

__version__ = "0.1.0"
