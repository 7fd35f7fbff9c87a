// The clipboard, on pages over HTTP as well.

/** Copies a text, and returns whether the browser allowed it. Call it in the handler of a click. */
export async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copySelected(text); // over HTTP there is no `navigator.clipboard`
  }
}

function copySelected(text) {
  const field = document.createElement("textarea");
  field.className = "unseen";
  field.value = text;
  const focused = document.activeElement;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  return isCopied;
}
