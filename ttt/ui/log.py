"""The service's log: one JSON object a line on stderr, without bodies and secrets."""

import json
import logging
from datetime import UTC, datetime


class JsonLines(logging.Formatter):
    """A record as JSON: time, level, logger, message, and the kind and place of an error."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info is not None and record.exc_info[0] is not None:
            # Never its message: that may hold what somebody sent.
            line["error"] = record.exc_info[0].__name__
            line["at"] = _place(record)
        return json.dumps(line)


def log_as_json() -> None:
    """Let every logger write this way."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _place(record: logging.LogRecord) -> str:
    """File and line in which the error was raised."""
    trace = record.exc_info[2] if record.exc_info else None
    place = ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
