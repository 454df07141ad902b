"""The rules of the gate, one idea a file; `ttt/core/gate.py` registers and runs them."""
