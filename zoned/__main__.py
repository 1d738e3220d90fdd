"""``python -m zoned`` is ``zoned``."""

from zoned.cli.main import main

if __name__ == "__main__":
    main()
