"""The ``gbplan`` command from a checkout: ``python cli.py ...`` equals ``gbplan ...``."""

from gbplan.cli import main

if __name__ == "__main__":
    main()
