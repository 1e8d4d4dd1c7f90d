"""The classical kinds of Core ML models, in NumPy: one kind or family of kinds a file."""
