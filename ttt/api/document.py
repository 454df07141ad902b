"""`python -m ttt.api.document`: the service's OpenAPI document, for generated clients."""

import json
import sys
from pathlib import Path

from ttt.api.app import create_app
from ttt.api.settings import ServiceSettings


def document() -> str:
    """The document as JSON with sorted keys: equal applications give equal bytes."""
    app = create_app(ServiceSettings(root=Path("artifacts")))
    return json.dumps(app.openapi(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
