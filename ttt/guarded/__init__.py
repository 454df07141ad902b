"""Which layers guard which kind of change, and the one facade that puts them in front of it."""
