"""`i18n.js` and `translations.js`: the languages of the pages. In a browser, without a gateway."""

import mimetypes
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Route

WEB = Path(__file__).parents[2] / "clients" / "web"

ORIGIN = "http://pages.test"

SAMPLE = """<!doctype html><html><body>
  <p id="text" data-i18n="captions.missing"></p>
  <button data-i18n-label="page.language" data-i18n-title="captions.missing"></button>
  <img data-i18n-alt="page.language"><input data-i18n-placeholder="page.language">
  <select></select></body></html>"""

CALL = "async ([name, args]) => (await import('/assets/i18n.js'))[name](...args)"

TABLE = "async () => (await import('/assets/translations.js')).TRANSLATIONS"

LANGUAGES = ("en", "de", "es", "ar")

MISSING = {
    "en": "[words are missing]",
    "de": "[Wörter fehlen]",
    "es": "[faltan palabras]",
    "ar": "[كلمات ناقصة]",
}

Text = str | dict[str, str]


async def answer(route: Route) -> None:
    path = WEB / Path(route.request.url.partition("?")[0]).name
    if path.is_file():
        await route.fulfill(body=path.read_bytes(), content_type=mimetypes.guess_type(path)[0])
    else:
        await route.fulfill(body=SAMPLE, content_type="text/html; charset=utf-8")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(browser: Browser) -> AsyncIterator[Page]:
    """A page of someone in Austria, with the modules at `/assets`."""
    context = await browser.new_context(locale="de-AT")
    await context.route("**/*", answer)
    yield await context.new_page()
    await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(shared: Page) -> Page:
    """That page, without a stored language."""
    await shared.goto(ORIGIN)
    await shared.evaluate("localStorage.clear()")
    return shared


async def visit(page: Page, query: str = "") -> None:
    """Open the sample page and localize it."""
    await page.goto(f"{ORIGIN}/{query}")
    await call(page, "localize")


async def call(page: Page, name: str, *args: object) -> object:
    """Call a function of i18n.js."""
    result: object = await page.evaluate(CALL, [name, args])
    return result


async def table(page: Page) -> dict[str, dict[str, Text]]:
    found: dict[str, dict[str, Text]] = await page.evaluate(TABLE)
    return found


def variants(text: Text) -> list[str]:
    """Return a text, or its plural forms."""
    return [text] if isinstance(text, str) else [*text.values()]


def placeholders(text: Text) -> set[str]:
    return {name for variant in variants(text) for name in re.findall(r"\{(\w+)\}", variant)}


def sources() -> Iterator[str]:
    """Yield the pages and scripts that may use keys."""
    for path in WEB.iterdir():
        if path.suffix in (".html", ".js") and path.name != "translations.js":
            yield path.read_text()


def used_keys() -> set[str]:
    found: set[str] = set()
    for source in sources():
        found.update(re.findall(r'data-i18n(?:-\w+)?="([^"]*)"', source))
        found.update(re.findall(r'"([a-z]+\.[a-z_]+)"', source))
    return found


async def test_every_text_is_there_in_every_language(page: Page) -> None:
    for key, translations in (await table(page)).items():
        assert tuple(translations) == LANGUAGES, key
        assert all(variant.strip() for text in translations.values() for variant in variants(text)), key


async def test_translations_have_the_same_placeholders(page: Page) -> None:
    for key, translations in (await table(page)).items():
        expected = placeholders(translations["en"])
        for code, text in translations.items():
            assert placeholders(text) == expected, (key, code)


async def test_plural_texts_have_a_form_for_all_other_numbers(page: Page) -> None:
    for key, translations in (await table(page)).items():
        for code, text in translations.items():
            assert isinstance(text, str) or "other" in text, (key, code)


async def test_every_key_is_used_and_every_used_key_is_there(page: Page) -> None:
    keys = set(await table(page))
    namespaces = {key.partition(".")[0] for key in keys}
    used = {key for key in used_keys() if key.partition(".")[0] in namespaces}
    assert used == keys


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "de"),
        ("?lang=es", "es"),
        ("?lang=ar-EG", "ar"),
        ("?lang=EN_us", "en"),
        ("?lang=fr", "de"),
        ("?lang=", "de"),
    ],
)
async def test_the_url_overrides_the_language_of_the_browser(page: Page, query: str, code: str) -> None:
    await visit(page, query)
    assert await call(page, "language") == code
    assert await page.locator("#text").text_content() == MISSING[code]
    assert await page.locator("html").get_attribute("lang") == code


async def test_a_chosen_language_is_kept_and_overrides_that_of_the_browser(page: Page) -> None:
    await visit(page, "?lang=es&token=vt_a%2Bb")
    assert await call(page, "setLanguage", "ar") is None
    assert await page.locator("#text").text_content() == MISSING["ar"]
    assert page.url == f"{ORIGIN}/?token=vt_a%2Bb"
    await visit(page)
    assert await call(page, "language") == "ar"


async def test_an_unsupported_browser_gets_english(browser: Browser) -> None:
    context = await browser.new_context(locale="fi-FI")
    await context.route("**/*", answer)
    page = await context.new_page()
    await visit(page)
    assert await call(page, "language") == "en"
    await context.close()


async def test_arabic_runs_from_right_to_left(page: Page) -> None:
    await visit(page, "?lang=ar")
    assert await page.locator("html").get_attribute("dir") == "rtl"
    await call(page, "setLanguage", "en")
    assert await page.locator("html").get_attribute("dir") == "ltr"


async def test_names_and_hints_are_translated(page: Page) -> None:
    await visit(page, "?lang=es")
    button = page.locator("button")
    assert await button.get_attribute("aria-label") == "Idioma"
    assert await button.get_attribute("title") == MISSING["es"]
    assert await page.locator("img").get_attribute("alt") == "Idioma"
    assert await page.locator("input").get_attribute("placeholder") == "Idioma"


@pytest.mark.parametrize(
    ("code", "count", "text"),
    [
        ("en", 1, "[1 second of audio was lost]"),
        ("en", 1200, "[1,200 seconds of audio were lost]"),
        ("de", 1200, "[1\N{NO-BREAK SPACE}200 Sekunden Ton fehlen]"),  # as in Austria
        ("es", 12000, "[faltan 12.000 segundos de audio]"),
        ("ar", 2, "[فُقدت ثانيتان من الصوت]"),
        ("ar", 3, "[فُقدت 3 ثوانٍ من الصوت]"),
        ("ar", 11, "[فُقدت 11 ثانية من الصوت]"),
    ],
)
async def test_numbers_select_the_plural_form(page: Page, code: str, count: int, text: str) -> None:
    await visit(page, f"?lang={code}")
    assert await call(page, "t", "captions.gap", {"count": count}) == text


async def test_an_unknown_key_and_an_unknown_value_are_left_as_they_are(page: Page) -> None:
    await visit(page, "?lang=en")
    assert await call(page, "t", "nothing.here") == "nothing.here"
    assert await call(page, "t", "captions.channel") == "Channel {number}"


async def test_a_list_offers_the_languages_by_their_own_names(page: Page) -> None:
    await visit(page)
    await page.evaluate("""async () => {
      (await import("/assets/i18n.js")).useLanguage(document.querySelector("select"));
      document.addEventListener("languagechange", () => { document.title = "changed"; });
    }""")
    options = page.locator("option")
    assert await options.all_text_contents() == ["English", "Deutsch", "Español", "العربية"]
    assert await page.locator("select").input_value() == "de"
    await page.select_option("select", "es")
    assert await page.locator("#text").text_content() == MISSING["es"]
    assert await page.title() == "changed"


async def test_without_storage_the_language_applies_to_this_page(page: Page) -> None:
    await visit(page, "?lang=es")
    await page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error('the browser forbids it'); }; }")
    await call(page, "setLanguage", "en")
    assert await page.locator("#text").text_content() == MISSING["en"]
