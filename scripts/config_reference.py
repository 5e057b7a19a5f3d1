"""Writes docs/configuration.md: every key of conf/ with its values, default, unit and sentence."""

from pathlib import Path

from composed.config.reference import page

PAGE = Path(__file__).parents[1] / "docs" / "configuration.md"

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
