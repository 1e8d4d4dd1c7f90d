"""Pictures for trying out models; CREDITS.md names their authors. Only the digits are installed."""
