"""THE COMPLETE LIST of what may alter the system; only here may plastic state be replaced."""
