"""Write docs/settings.md: python -m tools.settings_page"""

from pathlib import Path

from gateway.settings_reference import settings_page

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"

if __name__ == "__main__":
    PAGE.write_text(settings_page(), encoding="utf-8")
