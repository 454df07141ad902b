"""`python -m ttt.text_lm.sleep`: the same as `ttt sleep`."""

import sys

from ttt.text_lm.sleep.command import main

sys.exit(main())
