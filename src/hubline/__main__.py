"""`python -m hubline`: the command line, where the folder of the scripts is not on the path."""

from hubline.cli.main import app

if __name__ == "__main__":
    app()
