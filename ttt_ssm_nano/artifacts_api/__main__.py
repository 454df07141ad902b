"""`python -m ttt_ssm_nano.artifacts_api --artifacts_root artifacts --host 127.0.0.1 --port 13579`.

The same application as `ttt serve`, on one port.
"""

import sys
from collections.abc import Sequence

from ttt.lib.flags import parse, run_command
from ttt.ui.serve import ListenOptions, serve


@run_command
def main(argv: Sequence[str] | None = None) -> int:
    """Serve until somebody stops it."""
    options = parse(
        ListenOptions, argv, prog="python -m ttt_ssm_nano.artifacts_api", description=__doc__ or ""
    )
    return serve(options, [(options.port, "--port")])


if __name__ == "__main__":
    sys.exit(main())
