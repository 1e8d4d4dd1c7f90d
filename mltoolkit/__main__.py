"""``python -m mltoolkit`` is the command ``mltoolkit``."""

from mltoolkit.cli import main

if __name__ == "__main__":
    main()
