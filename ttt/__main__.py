"""`python -m ttt`, for where the console script is not on the path."""

from ttt.cli import main

raise SystemExit(main())
