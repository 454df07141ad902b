"""Git for plastic weights, for every domain: fork, log, diff, revert, bisect, blame, merge.

A session is a chain of commits in the store; a fork goes on from a commit of another chain and
copies nothing. This room reads those chains and adds commits to them. It knows no model: a domain
lends a `Replayer`, which can learn a recorded input again, take one out and judge a state.

Refuses: to run a session on another model than its own; to rewrite a commit (taking back is a new
commit); to replay across a state that does not follow from inputs (a merge, an import).
"""
