"""`level.js`: whether captured audio is too quiet or too loud. In a browser, without a gateway."""

from pathlib import Path

import pytest
from playwright.async_api import Page

SOURCE = (Path(__file__).parents[2] / "clients" / "web" / "level.js").read_text()

JUDGE = """async ([source, peaks]) => {
  const { Level } = await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const level = new Level();
  return peaks.map((peak) => level.take(peak)).at(-1);
}"""


@pytest.mark.parametrize(
    ("peaks", "loudness"),
    [
        ([0.3] * 100, "good"),
        ([0.0] * 99, "good"),
        ([0.0] * 100, "quiet"),
        ([0.0] * 200 + [0.01], "good"),
        ([1.0] * 4 + [0.3] * 20, "good"),
        ([1.0] * 5 + [0.3] * 20, "loud"),
        ([1.0] * 5 + [0.3] * 100, "good"),
    ],
)
async def test_the_last_five_seconds_decide_whether_audio_is_too_quiet_or_too_loud(
    page: Page, peaks: list[float], loudness: str
) -> None:
    assert await page.evaluate(JUDGE, [SOURCE, peaks]) == loudness
