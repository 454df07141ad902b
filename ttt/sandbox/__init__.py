"""Work on bytes of strangers, in a child process that cannot grow, write or outlive its parent.

What is run is always code of ours; what it is given is not. `run_limited` starts it with an empty
environment, in a group of its own, and hands it the bytes only after its limits are in force:
memory, processor time, no file of any size, no core dump, few open files, death with the parent.

Covered: input that makes good code allocate, loop, crash or answer without end. Not covered: a
fault in that code which lets the input take it over. It would run with the rights of this process
and could still read files; for code that is itself untrusted these limits are no boundary.

Refuses: to run anything where one of the limits cannot be set. There is no fallback.
"""
