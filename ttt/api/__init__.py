"""One FastAPI application over the rooms: routers parse, call one function, shape the answer.

Refuses to hold any logic of its own: what is not a request's shape, its guard or its limits belongs
to the room that does the work.
"""
