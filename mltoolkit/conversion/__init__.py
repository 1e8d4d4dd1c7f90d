"""The front door of conversion."""
