// The language of the page's interface, and its texts. Captions keep the language in which they were spoken.

import { LANGUAGES, TRANSLATIONS } from "./translations.js";

const RIGHT_TO_LEFT = new Set(["ar"]);
const FALLBACK = "en";
const PARAMETER = "lang";
const STORED_AS = "livecue.language";

/** Suffix of a `data-i18n-…` attribute → the attribute that it sets. `data-i18n` itself sets the text. */
const ATTRIBUTES = { label: "aria-label", title: "title", placeholder: "placeholder", alt: "alt" };

let current = preferred();

/** Returns the language of the interface, a key of `LANGUAGES`. */
export function language() {
  return current;
}

/** Returns the tag for dates and numbers: that of the browser for this language, such as `en-GB`, else the language. */
export function locale() {
  return (navigator.languages ?? []).find((tag) => supported(tag) === current) ?? current;
}

/**
 * Changes the language of the interface and stores it.
 *
 * Then dispatches the event `languagechange` on the document, for whoever has set a text by `t` rather than by a
 * `data-i18n` attribute.
 */
export function setLanguage(code) {
  current = supported(code) ?? FALLBACK;
  store(current);
  const url = new URL(location.href);
  if (url.searchParams.has(PARAMETER)) { // it would override the choice after a reload
    url.searchParams.delete(PARAMETER);
    history.replaceState(history.state, "", url);
  }
  localize();
  document.dispatchEvent(new Event("languagechange"));
}

/**
 * Returns a text in the language of the interface.
 *
 * @param key of `TRANSLATIONS`. An unknown one is returned as it is.
 * @param values for the `{name}`s in the text. `count` also selects the plural form.
 */
export function t(key, values = {}) {
  const translation = TRANSLATIONS[key]?.[current] ?? TRANSLATIONS[key]?.[FALLBACK] ?? key;
  return inserted(typeof translation === "string" ? translation : pluralForm(translation, values.count), values);
}

/**
 * Sets the texts and labels of all elements with `data-i18n` attributes, and the language and direction of the page.
 *
 * `data-i18n="key"` sets the text, `data-i18n-label` the accessible name, and `data-i18n-title`, `-placeholder` and
 * `-alt` the attributes of these names.
 */
export function localize(root = document) {
  document.documentElement.lang = current;
  document.documentElement.dir = RIGHT_TO_LEFT.has(current) ? "rtl" : "ltr";
  for (const element of root.querySelectorAll("[data-i18n]")) element.textContent = t(element.dataset.i18n);
  for (const [suffix, attribute] of Object.entries(ATTRIBUTES)) {
    for (const element of root.querySelectorAll(`[data-i18n-${suffix}]`)) {
      element.setAttribute(attribute, t(element.getAttribute(`data-i18n-${suffix}`)));
    }
  }
}

/** Fills a `<select>` with the languages of the interface, and lets it change the language. */
export function useLanguage(select) {
  for (const [code, name] of Object.entries(LANGUAGES)) {
    const option = new Option(name, code, code === current, code === current);
    option.lang = code;
    select.add(option);
  }
  select.addEventListener("change", () => setLanguage(select.value));
}

/** Returns the language of the page's URL, else the stored one, else the first supported one of the browser. */
function preferred() {
  const asked = new URLSearchParams(location.search).get(PARAMETER);
  for (const code of [asked, stored(), ...(navigator.languages ?? [])]) {
    const found = supported(code);
    if (found !== null) return found;
  }
  return FALLBACK;
}

/** Returns the supported language of a tag such as `de-AT`, or null. */
function supported(tag) {
  const code = tag?.toLowerCase().split(/[-_]/)[0];
  return code !== undefined && Object.hasOwn(LANGUAGES, code) ? code : null;
}

function pluralForm(forms, count) {
  return forms[new Intl.PluralRules(current).select(count)] ?? forms.other;
}

function inserted(text, values) {
  return text.replace(/\{(\w+)\}/g, (placeholder, name) => {
    const value = values[name] ?? placeholder;
    return typeof value === "number" ? new Intl.NumberFormat(locale()).format(value) : value;
  });
}

function stored() {
  try {
    return localStorage.getItem(STORED_AS);
  } catch { // the browser forbids storage
    return null;
  }
}

function store(code) {
  try {
    localStorage.setItem(STORED_AS, code);
  } catch {
    // it then applies to this page only
  }
}
