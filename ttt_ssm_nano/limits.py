"""How large anything in this package may be. It imports nothing, so `--help` answers at once."""

from typing import Final

STEPS_MAX: Final = 1_000_000
"""Steps of one plant."""
WIDTH_MAX: Final = 512
"""Inner inputs, and states."""
CHUNK_MAX: Final = 4096
"""Steps of a chunk; a commit holds one, and the one before."""
PROBE_STEPS_MAX: Final = 100_000
"""Steps of the plant that a state is measured on."""
