"""What all reports share when they are given out as JSON or as tables."""
