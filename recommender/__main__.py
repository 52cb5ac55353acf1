"""Entry of the console script and of `python -m recommender`."""

from recommender.cli.main import main

if __name__ == "__main__":
    main()
