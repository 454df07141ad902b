"""Long work in processes of their own: heartbeat, progress, cancel, resume, recovery."""
