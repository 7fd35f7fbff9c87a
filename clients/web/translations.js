// All texts of the pages: key → language → text.
//
// - `{name}` is replaced by a value that is passed to `t`, numbers in the way of the language.
// - A text that depends on a number is an object of the plural forms of Unicode (`one`, `other`; Arabic has six), of
//   which `{count}` selects one.
// - Keys are written out wherever they are used, so that a search for a key finds its uses. Tests check that no text is
//   missing in any language, and that every key is used.

/** Language → its name in itself, in the order in which they are offered. */
export const LANGUAGES = { en: "English", de: "Deutsch", es: "Español", ar: "العربية" };

export const TRANSLATIONS = {
  // all pages
  "page.language": { en: "Language", de: "Sprache", es: "Idioma", ar: "اللغة" },

  // captions, in all pages
  "captions.gap": {
    en: { one: "[{count} second of audio was lost]", other: "[{count} seconds of audio were lost]" },
    de: { one: "[{count} Sekunde Ton fehlt]", other: "[{count} Sekunden Ton fehlen]" },
    es: { one: "[falta {count} segundo de audio]", other: "[faltan {count} segundos de audio]" },
    ar: {
      one: "[فُقدت ثانية واحدة من الصوت]",
      two: "[فُقدت ثانيتان من الصوت]",
      few: "[فُقدت {count} ثوانٍ من الصوت]",
      other: "[فُقدت {count} ثانية من الصوت]",
    },
  },
  "captions.missing": {
    en: "[words are missing]",
    de: "[Wörter fehlen]",
    es: "[faltan palabras]",
    ar: "[كلمات ناقصة]",
  },
  "captions.channel": { en: "Channel {number}", de: "Kanal {number}", es: "Canal {number}", ar: "القناة {number}" },
};
