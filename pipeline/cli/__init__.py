"""The command line: one verb for each thing a user does."""

from pipeline.cli.main import main
from pipeline.cli.parser import build_parser

__all__ = ["build_parser", "main"]
