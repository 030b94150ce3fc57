"""`python -m medialift`: the program, whichever folder the environment that it runs from lies in."""

from medialift.cli import main

if __name__ == "__main__":
    main()
