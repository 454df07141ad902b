"""Chat that learns: each message is one transaction on a session's fast weights.

`ChatRoom` in `conversation.py` is the one door, for terminal, service and tests alike. A message is
read, learned under the whole guard, answered through the mixture with the frozen base, and kept as
one durable commit. Nothing here writes a weight but through `ttt/guarded`, nor a file but through
`ttt/store`.
"""
