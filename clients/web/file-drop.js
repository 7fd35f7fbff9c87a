// Choosing a recording: dropped anywhere on the page, or by the file dialog.

const element = (id) => document.getElementById(id);

/**
 * Calls `onFile` with each file that is dropped or chosen.
 *
 * @param {function(): boolean} accepts whether a file may be dropped now.
 * @param {function(File): void} onFile
 */
export function useFileDrop(accepts, onFile) {
  element("file").addEventListener("change", () => {
    const [file] = element("file").files;
    element("file").value = ""; // so that the same file can be chosen again
    if (file) onFile(file);
  });
  addEventListener("dragover", (event) => {
    if (!event.dataTransfer.types.includes("Files")) return;
    event.preventDefault(); // else the browser would leave the page for the file
    event.dataTransfer.dropEffect = accepts() ? "copy" : "none";
    element("drop").classList.toggle("over", accepts());
  });
  for (const type of ["dragleave", "drop"]) addEventListener(type, () => element("drop").classList.remove("over"));
  addEventListener("drop", (event) => {
    const [file] = event.dataTransfer.files;
    if (!file) return;
    event.preventDefault();
    if (accepts()) onFile(file);
  });
}
