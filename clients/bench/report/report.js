"use strict";
// Shows one block of each group at a time. Without this script the page has them all, one after another.

function button(name, choose) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = name;
  made.addEventListener("click", choose);
  return made;
}

function buttons(label, blocks, show) {
  const group = document.createElement("div");
  group.className = "buttons";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", label);
  const all = blocks.map((block, place) => button(block.dataset.name, () => select(place)));
  const select = (place) => {
    all.forEach((one, other) => one.setAttribute("aria-pressed", String(other === place)));
    show(place);
  };
  group.append(...all);
  select(0);
  return group;
}

function menu(label, blocks, show) {
  const named = document.createElement("label");
  const list = document.createElement("select");
  list.append(...blocks.map((block, place) => new Option(block.dataset.name, String(place))));
  list.addEventListener("change", () => show(Number(list.value)));
  named.className = "menu";
  named.append(label, list);
  show(0);
  return named;
}

for (const choices of document.querySelectorAll(".choices")) {
  const blocks = Array.from(choices.children);
  const show = (place) => blocks.forEach((block, other) => (block.hidden = other !== place));
  if (blocks.length > 1) {
    const control = choices.dataset.kind === "menu" ? menu : buttons;
    choices.classList.add("chosen");
    choices.prepend(control(choices.dataset.label, blocks, show));
  }
}
