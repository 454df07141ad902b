"""The only room that writes the artifact tree.

Nothing here is ever modified in place: a file is written once under its final name, or a new one is
renamed over it; a folder is built under `tmp/` and renamed into place. Every saved folder carries
one record with the digest and the size of each of its files, checked before anything is used.
"""
