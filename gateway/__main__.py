"""`python -m gateway` is `livecue`."""

from gateway.cli import main

if __name__ == "__main__":
    main()
