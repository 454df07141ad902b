"""Small pure helpers that know nothing of models, changes or disks."""
