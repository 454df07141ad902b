"""Sockets to listen on, bound before anything else is done; a port that is taken says by whom."""

import errno
import os
import socket

import psutil

from ttt.errors import ConfigError


def bound(host: str, port: int, *, option: str) -> socket.socket:
    """A socket that listens.

    Args:
        host: An address of this machine.
        port: 0 takes any that is free.
        option: How another port is asked for, for messages.

    Raises:
        ConfigError: The port is taken (the message names the process, where the system tells), or
            the address is none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"Port {port} is taken{_by_whom(port)}; stop that, or choose another: {option} "
                f"{port + 1}."
            ) from error
        raise ConfigError(f"Cannot listen on {host}:{port}: {error.strerror}.") from error
    return listener


def _by_whom(port: int) -> str:
    """The process that listens on a port, as a clause; empty where nobody says."""
    try:
        pids = {
            one.pid
            for one in psutil.net_connections("tcp")
            if one.laddr and one.laddr.port == port and one.status == psutil.CONN_LISTEN
        }
        others = sorted(pid for pid in pids if pid and pid != os.getpid())
        return f" by {psutil.Process(others[0]).name()}, process {others[0]}" if others else ""
    except (psutil.Error, OSError):
        return ""
