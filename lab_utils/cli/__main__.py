"""`python -m lab_utils.cli`."""

from . import app

if __name__ == "__main__":
    app()
