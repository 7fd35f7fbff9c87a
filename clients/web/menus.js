// Menus: `<details class="menu">`, of which one at a time is open.

/** Closes menus by Escape, by a click elsewhere, when the focus leaves them, and when another one is opened. */
export function useMenus(menus) {
  for (const menu of menus) {
    menu.addEventListener("toggle", () => {
      if (menu.open) for (const other of menus) if (other !== menu) other.open = false;
    });
    menu.addEventListener("focusout", ({ relatedTarget }) => {
      if (relatedTarget !== null && !menu.contains(relatedTarget)) menu.open = false;
    });
  }
  document.addEventListener("click", ({ target }) => {
    for (const menu of menus) if (!menu.contains(target)) menu.open = false;
  });
  document.addEventListener("keydown", ({ key }) => {
    const menu = key === "Escape" ? menus.find(({ open }) => open) : undefined;
    if (menu === undefined) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });
}
