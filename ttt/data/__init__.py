"""Package data made by this project: canary pools, demo passages and starter models.

Holds no code. `canaries/*.jsonl` is read through `ttt.core.canary_pools`, `demo/passages.jsonl` by
the demo of the monitored loop. A demo line of kind `repeat` stores the rule (`unit`, `times`)
instead of the text.
"""
