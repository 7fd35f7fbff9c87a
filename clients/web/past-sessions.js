// The history: past sessions, searched by their text, to open, export or delete.

import { Refused, request, sessionPath } from "./api.js";
import { exportLinks } from "./export-links.js";
import { language, t } from "./i18n.js";
import { problemText } from "./problem-text.js";

const PAGE = 20;

const element = (id) => document.getElementById(id);

/** The dialog with the list. */
export class PastSessions {
  #canOpen;
  #onOpen;
  #query = "";
  #before = null; // of the next page; null: there is none
  #searches = 0;

  /**
   * @param {function(): boolean} canOpen whether the page can display a past session now.
   * @param {function(object): void} onOpen called with the listed session to be displayed.
   */
  constructor(canOpen, onOpen) {
    this.#canOpen = canOpen;
    this.#onOpen = onOpen;
    element("open-sessions").addEventListener("click", () => this.#show());
    element("close-sessions").addEventListener("click", () => element("sessions").close());
    element("sessions").addEventListener("click", (event) => {
      if (event.target === element("sessions")) element("sessions").close(); // a click beside the dialog
    });
    element("search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#search();
    });
    // a click on the field's own button clears it; Enter submits the form, too
    element("query").addEventListener("search", () => element("query").value === "" && this.#search());
    element("more-sessions").addEventListener("click", () => this.#more());
  }

  async #show() {
    element("sessions").showModal();
    await this.#search();
  }

  async #search() {
    this.#query = element("query").value.trim();
    this.#before = null;
    this.#searches += 1;
    element("session-list").replaceChildren();
    await this.#more();
  }

  async #more() {
    const query = new URLSearchParams({ all: "true", limit: PAGE });
    if (this.#query !== "") query.set("q", this.#query);
    if (this.#before !== null) query.set("before", this.#before);
    element("more-sessions").hidden = true;
    element("sessions-note").textContent = t("past.loading");
    const search = this.#searches;
    try {
      const page = await request(`/v1/sessions?${query}`);
      if (search === this.#searches) this.#add(page); // else the user has searched again meanwhile
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      element("sessions-note").textContent = problemText(error);
    }
  }

  #add({ data, more_before: before = null }) {
    const newestFirst = data.toSorted((left, right) => right.opened - left.opened);
    element("session-list").append(...newestFirst.map((session) => this.#line(session)));
    this.#before = before;
    element("more-sessions").hidden = before === null;
    const isEmpty = before === null && element("session-list").childElementCount === 0;
    const none = this.#query === "" ? t("past.none") : t("past.not_found", { query: this.#query });
    element("sessions-note").textContent = isEmpty ? none : "";
  }

  #line(session) {
    const line = create("li", "session");
    const title = create("h3", "session-title", session.title || t("past.untitled"));
    title.dir = "auto";
    line.append(title, create("p", "hint", facts(session)));
    if (session.excerpt) {
      const quote = create("p", "excerpt");
      quote.dir = "auto";
      quote.append(...marked(session.excerpt, this.#query));
      line.append(quote);
    }
    line.append(this.#actions(session, line));
    return line;
  }

  #actions(session, line) {
    const actions = create("div", "row");
    const isOver = session.ended !== null;
    const refused = (error) => (element("sessions-note").textContent = problemText(error));
    if (isOver && this.#canOpen()) actions.append(this.#opening(session));
    const menu = create("details", "menu");
    const links = create("div", "exports");
    links.append(...exportLinks(session.id, null, refused));
    menu.append(create("summary", "button", t("captioner.save")), links);
    actions.append(menu);
    if (isOver) actions.append(this.#deletion(session, line, refused));
    return actions;
  }

  #opening(session) {
    const button = create("button", "", t("past.open"));
    button.type = "button";
    button.addEventListener("click", () => {
      element("sessions").close();
      this.#onOpen(session);
    });
    return button;
  }

  /** Returns a button that deletes at the second click, unless the focus has left it. */
  #deletion(session, line, refused) {
    const button = create("button", "delete", t("past.delete"));
    button.type = "button";
    let isArmed = false;
    const arm = (value) => {
      isArmed = value;
      button.textContent = value ? t("past.delete_really") : t("past.delete");
      button.classList.toggle("armed", value);
    };
    button.addEventListener("blur", () => arm(false));
    button.addEventListener("click", async () => {
      if (!isArmed) return arm(true);
      try {
        await request(sessionPath(session.id), { method: "DELETE" });
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        return refused(error);
      }
      const next = line.nextElementSibling ?? line.previousElementSibling;
      line.remove();
      (next?.querySelector("button, summary") ?? element("query")).focus();
      element("sessions-note").textContent = t("past.deleted");
    });
    return button;
  }
}

function facts({ opened, ended, event, language: spoken, about }) {
  const day = new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short" });
  const names = new Intl.DisplayNames([language()], { type: "language" });
  const minutes = ended === null ? t("past.open_now") : t("past.minutes", { count: Math.max(1, Math.round((ended - opened) / 60)) });
  const called = about?.call_id ?? null;
  return [day.format(opened * 1000), minutes, event, spoken && names.of(spoken), called].filter(Boolean).join(" · ");
}

/** Returns the parts of a text, with the words of the query marked. */
function marked(text, query) {
  const words = query.split(/\s+/).filter(Boolean).map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  if (words.length === 0) return [text];
  const parts = text.split(new RegExp(`(${words.join("|")})`, "giu"));
  return parts.map((part, index) => (index % 2 ? create("mark", "", part) : part));
}

function create(tag, className, text = "") {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}
