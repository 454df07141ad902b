"""The service under the name it had in an earlier system."""
