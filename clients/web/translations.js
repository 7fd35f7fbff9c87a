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

  // states, in all pages
  "state.connecting": { en: "Connecting", de: "Verbindet", es: "Conectando", ar: "جارٍ الاتصال" },
  "state.waiting": { en: "Waiting", de: "Wartet", es: "En espera", ar: "في الانتظار" },
  "state.live": { en: "Live", de: "Live", es: "En directo", ar: "مباشر" },
  "state.lost": { en: "Reconnecting", de: "Verbindet neu", es: "Reconectando", ar: "إعادة الاتصال" },
  "state.full": { en: "Full", de: "Voll", es: "Completo", ar: "ممتلئ" },
  "state.over": { en: "Ended", de: "Beendet", es: "Terminado", ar: "انتهى" },
  "state.not_found": { en: "Not found", de: "Nicht gefunden", es: "No encontrado", ar: "غير موجود" },
  "state.forbidden": { en: "No access", de: "Kein Zugriff", es: "Sin acceso", ar: "لا يمكن الدخول" },

  // the viewer
  "viewer.title": { en: "Live captions", de: "Live-Untertitel", es: "Subtítulos en directo", ar: "نص مباشر" },
  "viewer.captions": { en: "Captions", de: "Untertitel", es: "Subtítulos", ar: "النص" },
  "viewer.skip": {
    en: "Skip to the captions",
    de: "Zu den Untertiteln",
    es: "Ir a los subtítulos",
    ar: "الانتقال إلى النص",
  },
  "viewer.size": { en: "Text size", de: "Schriftgröße", es: "Tamaño del texto", ar: "حجم الخط" },
  "viewer.smaller": { en: "Smaller text", de: "Kleinere Schrift", es: "Texto más pequeño", ar: "خط أصغر" },
  "viewer.larger": { en: "Larger text", de: "Größere Schrift", es: "Texto más grande", ar: "خط أكبر" },
  "viewer.display": { en: "Display", de: "Anzeige", es: "Aspecto", ar: "العرض" },
  "viewer.colours": { en: "Colours", de: "Farben", es: "Colores", ar: "الألوان" },
  "viewer.auto": { en: "Automatic", de: "Automatisch", es: "Automático", ar: "تلقائي" },
  "viewer.light": { en: "Light", de: "Hell", es: "Claro", ar: "فاتح" },
  "viewer.dark": { en: "Dark", de: "Dunkel", es: "Oscuro", ar: "داكن" },
  "viewer.cream": { en: "Cream", de: "Creme", es: "Crema", ar: "كريمي" },
  "viewer.contrast": { en: "High contrast", de: "Hoher Kontrast", es: "Alto contraste", ar: "تباين عالٍ" },
  "viewer.lettering": { en: "Lettering", de: "Schrift", es: "Letra", ar: "نوع الخط" },
  "viewer.standard": { en: "Standard", de: "Standard", es: "Normal", ar: "عادي" },
  "viewer.dyslexia": {
    en: "Dyslexia-friendly",
    de: "Bei Legasthenie",
    es: "Para dislexia",
    ar: "ميسّر لعسر القراءة",
  },
  "viewer.times": { en: "Show times", de: "Zeiten anzeigen", es: "Mostrar la hora", ar: "إظهار الأوقات" },
  "viewer.save": { en: "Save", de: "Speichern", es: "Guardar", ar: "حفظ" },
  "viewer.copy": { en: "Copy the text", de: "Text kopieren", es: "Copiar el texto", ar: "نسخ النص" },
  "viewer.copied": { en: "Copied.", de: "Kopiert.", es: "Copiado.", ar: "تم النسخ." },
  "viewer.not_copied": {
    en: "The browser does not allow this page to copy. Download the text instead.",
    de: "Der Browser erlaubt dieser Seite nicht zu kopieren. Laden Sie den Text stattdessen herunter.",
    es: "El navegador no permite copiar a esta página. Descargue el texto.",
    ar: "المتصفح لا يسمح لهذه الصفحة بالنسخ. يمكنك تنزيل النص بدلًا من ذلك.",
  },
  "viewer.download": { en: "Download the text", de: "Text herunterladen", es: "Descargar el texto", ar: "تنزيل النص" },
  "viewer.text": { en: "Text", de: "Text", es: "Texto", ar: "نص" },
  "viewer.subtitles": { en: "Subtitles", de: "Untertitel", es: "Subtítulos", ar: "ترجمة نصية" },
  "viewer.web_subtitles": { en: "Web subtitles", de: "Web-Untertitel", es: "Subtítulos web", ar: "ترجمة نصية للويب" },
  "viewer.raw": { en: "For programs", de: "Für Programme", es: "Para programas", ar: "للبرامج" },
  "viewer.part": {
    en: "Continued at {time}",
    de: "Fortgesetzt um {time}",
    es: "Continuación a las {time}",
    ar: "تتمة عند {time}",
  },
  "viewer.jump": { en: "Jump to live", de: "Zum Live-Text", es: "Ir al directo", ar: "الانتقال إلى المباشر" },
  "viewer.jump_to_end": { en: "Jump to the end", de: "Zum Ende", es: "Ir al final", ar: "الانتقال إلى النهاية" },
  "viewer.unread": {
    en: { other: "{count} new" },
    de: { other: "{count} neu" },
    es: { one: "{count} nuevo", other: "{count} nuevos" },
    ar: { other: "{count} جديد" },
  },
  "viewer.connecting": {
    en: "Connecting to the captions …",
    de: "Verbindung zu den Untertiteln wird aufgebaut …",
    es: "Conectando con los subtítulos…",
    ar: "جارٍ الاتصال بالنص المباشر…",
  },
  "viewer.waiting": {
    en: "The captions have not started yet.",
    de: "Die Untertitel haben noch nicht begonnen.",
    es: "Los subtítulos aún no han empezado.",
    ar: "لم يبدأ النص المباشر بعد.",
  },
  "viewer.waiting_hint": {
    en: "Keep this page open: they appear here by themselves.",
    de: "Lassen Sie diese Seite offen: Sie erscheinen hier von selbst.",
    es: "Deje esta página abierta: aparecerán aquí automáticamente.",
    ar: "اترك هذه الصفحة مفتوحة، وسيظهر النص هنا تلقائيًا.",
  },
  "viewer.live": { en: "Listening.", de: "Bereit.", es: "A la escucha.", ar: "جاهز للاستماع." },
  "viewer.live_hint": {
    en: "Captions appear here when someone speaks.",
    de: "Untertitel erscheinen hier, sobald jemand spricht.",
    es: "Los subtítulos aparecen aquí cuando alguien habla.",
    ar: "يظهر النص هنا عندما يتكلم أحد.",
  },
  "viewer.lost": {
    en: "The connection was lost.",
    de: "Die Verbindung ist unterbrochen.",
    es: "Se ha perdido la conexión.",
    ar: "انقطع الاتصال.",
  },
  "viewer.lost_hint": {
    en: "Reconnecting. What you miss is added as soon as it is back.",
    de: "Sie wird wiederhergestellt. Was fehlt, wird dann nachgetragen.",
    es: "Se está restableciendo. Lo que falte se añadirá después.",
    ar: "تجري إعادة الاتصال، وسيُضاف ما فاتك بعد عودته.",
  },
  "viewer.full": {
    en: "Too many people are watching.",
    de: "Es sehen zu viele Personen zu.",
    es: "Hay demasiadas personas conectadas.",
    ar: "عدد المتابعين كبير جدًا.",
  },
  "viewer.full_hint": {
    en: "You are let in as soon as there is room.",
    de: "Sie kommen hinein, sobald Platz ist.",
    es: "Entrará en cuanto haya sitio.",
    ar: "ستدخل حالما يتوفر مكان.",
  },
  "viewer.over": {
    en: "The captions have ended.",
    de: "Die Untertitel sind zu Ende.",
    es: "Los subtítulos han terminado.",
    ar: "انتهى النص المباشر.",
  },
  "viewer.over_hint": {
    en: "If they continue, they appear here by themselves.",
    de: "Falls es weitergeht, erscheinen sie hier von selbst.",
    es: "Si continúan, aparecerán aquí automáticamente.",
    ar: "إذا استؤنف، فسيظهر هنا تلقائيًا.",
  },
  "viewer.not_found": {
    en: "There are no captions at this address.",
    de: "Unter dieser Adresse gibt es keine Untertitel.",
    es: "No hay subtítulos en esta dirección.",
    ar: "لا يوجد نص مباشر في هذا العنوان.",
  },
  "viewer.not_found_hint": {
    en: "They may have been deleted, or the link is incomplete.",
    de: "Sie wurden gelöscht, oder der Link ist unvollständig.",
    es: "Puede que se hayan borrado o que el enlace esté incompleto.",
    ar: "ربما حُذف، أو أن الرابط غير مكتمل.",
  },
  "viewer.forbidden": {
    en: "This link is not valid, or has expired.",
    de: "Dieser Link ist ungültig oder abgelaufen.",
    es: "Este enlace no es válido o ha caducado.",
    ar: "هذا الرابط غير صالح أو انتهت صلاحيته.",
  },
  "viewer.forbidden_hint": {
    en: "Ask for a new one.",
    de: "Bitten Sie um einen neuen.",
    es: "Pida uno nuevo.",
    ar: "اطلب رابطًا جديدًا.",
  },
};
