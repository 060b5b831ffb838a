"""`python -m eventroute` is the command `eventroute`."""

from eventroute.cli import main

if __name__ == "__main__":
    main()
