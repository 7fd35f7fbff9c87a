// Editing a text in place: Enter saves, Escape cancels.

import { t } from "./i18n.js";

const CHARS_PER_ROW = 50;

/**
 * Replaces an element by an editor of its text until the text is saved or the editor cancelled.
 *
 * @param {HTMLElement} element hidden meanwhile.
 * @param {object} options
 * @param {string} options.label accessible name of the field.
 * @param {string} options.text in the beginning.
 * @param {number} options.maxLength
 * @param {function(string): Promise<HTMLElement|null>} options.save returns null once it has saved the text, or else why
 *   it has not, which is displayed below the field.
 * @param {function(): void} options.closed called at the end; it may move the focus.
 */
export function editInPlace(element, { label, text, maxLength, save, closed }) {
  const form = document.createElement("form");
  form.className = "editor";
  const field = document.createElement("textarea");
  const rows = 1 + Math.floor(text.length / CHARS_PER_ROW); // where the browser has no `field-sizing`
  Object.assign(field, { value: text, maxLength, rows, dir: "auto" });
  field.setAttribute("aria-label", label);
  const note = document.createElement("div");
  note.className = "editor-note";
  note.setAttribute("role", "status");
  const saving = button(t("editor.save"), "primary");
  const cancelling = button(t("editor.cancel"), "");
  cancelling.type = "button";
  form.append(field, saving, cancelling, note);

  function close() {
    form.remove();
    element.hidden = false;
    closed();
  }

  async function submit() {
    if (field.value.trim() === text) return close();
    field.readOnly = true;
    const problem = await save(oneLine(field.value));
    field.readOnly = false;
    if (problem === null) return close();
    note.replaceChildren(problem);
    field.focus();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  cancelling.addEventListener("click", close);
  form.addEventListener("keydown", (event) => {
    event.stopPropagation(); // keys of the page around do not apply
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && event.target === field && !event.isComposing) {
      event.preventDefault();
      submit();
    }
  });
  element.hidden = true;
  element.after(form);
  field.focus();
  field.setSelectionRange(field.value.length, field.value.length);
}

/** Returns a paragraph for the note of an editor, with buttons that act. */
export function editorNote(text, actions = []) {
  const note = document.createElement("p");
  note.append(text);
  for (const [label, act] of actions) {
    const action = button(label, "");
    action.type = "button";
    action.addEventListener("click", act);
    note.append(" ", action);
  }
  return note;
}

function oneLine(text) {
  return text.trim().replace(/\s+/g, " ");
}

function button(label, className) {
  return Object.assign(document.createElement("button"), { textContent: label, className });
}
