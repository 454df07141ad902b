"""One router for each domain; what they share stands above."""
