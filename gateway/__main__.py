"""`python -m gateway` is `livecue`."""

from gateway.cli.main import main

if __name__ == "__main__":
    main()
