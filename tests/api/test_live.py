"""Live events: in order, resumed where a listener left off, bounded."""

import asyncio
import itertools
import json
import socket
import time

from tests.api.clients import BEARER, served
from ttt.api.live import KEPT, LISTENERS_MAX, LiveEvents


def heard(live, last="", *, count, announce=()):
    """The first events of a stream, as (kind, data, id)."""

    async def listen():
        found = []
        async for raw in live.stream(last):
            lines = dict(line.split(": ", 1) for line in raw.decode().splitlines() if ": " in line)
            if "event" in lines:
                found.append((lines["event"], json.loads(lines["data"]), lines["id"]))
            else:
                for kind in announce:
                    live.announce(kind, {})
            if len(found) == count:
                return found
        raise AssertionError

    return asyncio.run(asyncio.wait_for(listen(), 10))


def test_a_new_listener_hears_what_happens_from_now_on():
    live = LiveEvents()
    live.announce("before", {})
    assert [kind for kind, *_ in heard(live, count=2, announce=("a", "b"))] == ["a", "b"]


def test_one_that_comes_back_hears_what_it_missed():
    live = LiveEvents()
    for k in range(5):
        live.announce("k", {"k": k})
    everything = heard(live, "other-start", count=5)
    last = everything[1][2]
    assert [data["k"] for _, data, _ in heard(live, last, count=3)] == [2, 3, 4]


def test_what_is_gone_is_said_to_be_gone():
    live = LiveEvents()
    live.announce("first", {})
    (_, _, first) = heard(live, "other-start", count=1)[0]
    for k in range(KEPT + 10):
        live.announce("k", {"k": k})
    lost, *rest = heard(live, first, count=3)
    assert (lost[0], lost[1]) == ("lost", {"events": 10})
    assert [data["k"] for _, data, _ in rest] == [10, 11]


def test_an_id_from_the_future_waits_for_what_comes():
    live = LiveEvents()
    live.announce("a", {})
    start = heard(live, "x", count=1)[0][2].partition("-")[0]
    assert live.place(f"{start}-999999999999999999") == 1
    assert live.place(f"{start}-\u0663") == 0


def test_numbers_that_are_none_become_null():
    live = LiveEvents()
    live.announce("a", {"x": float("nan"), "y": [float("inf")]})
    assert heard(live, "x", count=1)[0][1] == {"x": None, "y": [None]}


def test_listeners_are_bounded():
    async def scenario():
        live = LiveEvents()
        streams = [live.stream("") for _ in range(LISTENERS_MAX)]
        for stream in streams:
            await anext(stream)
        assert live.is_full
        await streams[0].aclose()
        assert not live.is_full
        for stream in streams[1:]:
            await stream.aclose()

    asyncio.run(scenario())


def listening(url):
    """A real connection that has begun to listen."""
    host, port = url.removeprefix("http://").split(":")
    line = socket.create_connection((host, int(port)), timeout=10)
    head = f"GET /api/events HTTP/1.1\r\nHost: {host}:{port}\r\n"
    line.sendall(f"{head}Authorization: {BEARER['Authorization']}\r\n\r\n".encode())
    heard_ = b""
    while b"\n\r\n" not in heard_ or b"HTTP" not in heard_:
        heard_ += line.recv(4096)
    return line, heard_.split(b" ")[1]


def test_whoever_goes_away_makes_room_for_another(tmp_path):
    with served(tmp_path / "tree") as url:
        for _ in range(3):
            lines = [listening(url) for _ in range(LISTENERS_MAX)]
            assert {status for _, status in lines} == {b"200"}
            extra, status = listening(url)
            assert status == b"503"
            for line in (extra, *(one for one, _ in lines)):
                line.close()
            time.sleep(1.0)  # A listener looks ten times a second whether it is heard.


def test_ids_rise():
    live = LiveEvents()
    for _ in range(4):
        live.announce("a", {})
    numbers = [int(one[2].partition("-")[2]) for one in heard(live, "x", count=4)]
    assert numbers == list(itertools.islice(itertools.count(), 4))
