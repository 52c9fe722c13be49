"use strict";
// The page can be read without any of this. What needs a script stays hidden until there is one.
(() => {
  const root = document.documentElement;
  const THEME = "typebus-docs-theme";

  // Storage may be forbidden, and then nothing is remembered.
  const stored = () => {
    try { return localStorage.getItem(THEME); } catch { return null; }
  };
  const store = (theme) => {
    try { localStorage.setItem(THEME, theme); } catch { /* as said */ }
  };
  // Before anything is drawn.
  const chosen = stored();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  document.addEventListener("DOMContentLoaded", () => {
    themes();
    const search = searches();
    links(search);
    types();
    examples();
    folding();
  });

  function themes() {
    const button = document.getElementById("theme");
    const system = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (root.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
    const show = () => {
      button.textContent = isDark() ? "Light" : "Dark";
      button.title = `Show the page ${isDark() ? "light" : "dark"}`;
    };
    button.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      store(root.dataset.theme);
      show();
    });
    system.addEventListener("change", show);
    button.hidden = false;
    show();
  }

  function searches() {
    const input = document.getElementById("search");
    const found = document.getElementById("found");
    const nothing = document.getElementById("nothing");
    const entries = [...document.querySelectorAll("[data-find]")].map((element) => ({
      element,
      what: element.dataset.what,
      words: element.dataset.find,
      within: element.parentElement.closest("[data-find]"),
    }));
    const entryOf = new Map(entries.map((entry) => [entry.element, entry]));
    const names = [...document.querySelectorAll("nav li")].map((item) => ({
      item,
      target: document.getElementById(item.firstElementChild.hash.slice(1)),
    }));
    let opened = [];

    const filter = () => {
      const terms = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const isAsked = terms.length > 0;
      for (const entry of entries) {
        entry.isHit = terms.every((term) => entry.words.includes(term));
        entry.isShown = entry.isHit;
      }
      // A service is there for its handlers, and has all of them where it is what was meant.
      for (const entry of entries) {
        const service = entryOf.get(entry.within);
        if (!service) continue;
        if (entry.isHit) service.isShown = true;
        if (service.isHit) entry.isShown = true;
      }
      for (const { element, isShown } of entries) element.hidden = !isShown;
      for (const part of document.querySelectorAll("main > section, #topics > .card")) {
        const inner = [...part.querySelectorAll("[data-find]")];
        part.hidden = isAsked && !inner.some((element) => !element.hidden);
      }
      for (const { item, target } of names) item.hidden = Boolean(target?.hidden);
      for (const part of document.querySelectorAll("nav > div")) {
        part.hidden = isAsked && !part.querySelector("li:not([hidden])");
      }
      const hits = entries.filter((entry) => entry.isHit);
      root.classList.toggle("asked", isAsked);
      found.textContent = isAsked && hits.length > 0 ? counted(hits) : "";
      nothing.hidden = !isAsked || hits.length > 0;
      if (!nothing.hidden) {
        document.getElementById("asked").textContent = `“${input.value.trim()}”`;
        found.textContent = "Nothing found";
      }
      open(isAsked ? hits : []);
      mark(isAsked ? hits : [], terms);
    };

    const counted = (hits) => {
      const counts = ["service", "handler", "event", "topic", "type"].map((what) => {
        const count = hits.filter((hit) => hit.what === what).length;
        return count === 0 ? "" : `${count} ${what}${count === 1 ? "" : "s"}`;
      });
      return `Found ${counts.filter(Boolean).join(", ")}`;
    };

    // Few hits are opened, and closed again when something else is asked.
    const open = (hits) => {
      for (const details of opened) details.open = false;
      const closed = hits.map((hit) => hit.element.querySelector(":scope > details:not([open])")).filter(Boolean);
      opened = closed.length <= 3 ? closed : [];
      for (const details of opened) details.open = true;
    };

    const mark = (hits, terms) => {
      if (!("highlights" in CSS)) return;
      const ranges = [];
      for (const { element } of hits) {
        const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
        for (let text = texts.nextNode(); text && ranges.length < 1000; text = texts.nextNode()) {
          const content = text.data.toLowerCase();
          // Where a letter changes its length, places would not agree.
          if (content.length !== text.length) continue;
          for (const term of terms) {
            for (let at = content.indexOf(term); at >= 0; at = content.indexOf(term, at + term.length)) {
              const range = new Range();
              range.setStart(text, at);
              range.setEnd(text, at + term.length);
              ranges.push(range);
            }
          }
        }
      }
      CSS.highlights.set("found", new Highlight(...ranges));
    };

    const clear = () => {
      if (input.value === "") return;
      input.value = "";
      filter();
    };

    input.addEventListener("input", filter);
    input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        event.preventDefault();
        if (input.value === "") input.blur();
        clear();
      } else if (event.key === "Enter") {
        const first = entries.find((entry) => entry.isHit);
        if (input.value !== "" && first) reveal(first.element);
      }
    });
    document.addEventListener("keydown", (event) => {
      const isWriting = event.target.closest?.("input, textarea, select, [contenteditable]");
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isWriting) return;
      event.preventDefault();
      input.focus();
      input.select();
    });
    document.getElementById("clear").addEventListener("click", () => {
      clear();
      input.focus();
    });
    input.closest("[hidden]").hidden = false;
    // A browser may have kept what was written here before.
    if (input.value !== "") filter();
    return { clear };
  }

  // Opens whatever it is folded into, and itself.
  function reveal(element) {
    for (let part = element; part; part = part.parentElement) {
      if (part.localName === "details") part.open = true;
    }
    const own = element.querySelector(":scope > details");
    if (own) own.open = true;
    element.scrollIntoView();
    const focus = own ? own.querySelector("summary") : element;
    if (!own && !element.hasAttribute("tabindex")) element.tabIndex = -1;
    focus.focus({ preventScroll: true });
  }

  function links(search) {
    const go = (hash) => {
      const id = hash.slice(1);
      let target = id === "" ? null : document.getElementById(id);
      try { target ??= document.getElementById(decodeURIComponent(id)); } catch { /* then it is no id of ours */ }
      if (!target) return;
      if (target.closest("[hidden]")) search.clear();
      for (const link of document.querySelectorAll("nav a")) {
        if (link.hash === `#${target.id}`) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
      reveal(target);
    };
    addEventListener("hashchange", () => go(location.hash));
    // The same link again changes nothing in the address.
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[href^='#']");
      if (link && link.hash === location.hash) go(link.hash);
    });
    if (location.hash) go(location.hash);
  }

  // A type can be read where it is named, without going there.
  function types() {
    const panels = new WeakMap();
    for (const link of document.querySelectorAll("main a.type[href^='#type:']")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "more";
      button.setAttribute("aria-expanded", "false");
      button.setAttribute("aria-label", `Show ${link.textContent} here`);
      link.before(button);
    }
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button.more");
      if (!button) return;
      const isOpen = button.getAttribute("aria-expanded") === "true";
      button.setAttribute("aria-expanded", String(!isOpen));
      if (isOpen) {
        panels.get(button)?.remove();
      } else {
        const panel = panelFor(button);
        panels.set(button, panel);
      }
    });

    const panelFor = (button) => {
      const link = button.nextElementSibling;
      const target = document.getElementById(link.hash.slice(1));
      const shape = target.querySelector(":scope > .shape").cloneNode(true);
      for (const panel of shape.querySelectorAll(".expanded")) panel.remove();
      for (const inner of shape.querySelectorAll("button.more")) inner.setAttribute("aria-expanded", "false");
      const row = button.closest("tr, li, p");
      if (row.localName !== "tr") {
        const panel = document.createElement("div");
        panel.className = "expanded part";
        panel.append(shape);
        row.localName === "li" ? row.append(panel) : row.after(panel);
        return panel;
      }
      const panel = document.createElement("tr");
      panel.className = "expanded inner";
      const cell = document.createElement("td");
      cell.colSpan = row.cells.length;
      cell.append(shape);
      panel.append(cell);
      row.after(panel);
      return panel;
    };
  }

  function examples() {
    for (const figure of document.querySelectorAll("figure.example")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "copy";
      button.textContent = "Copy";
      button.addEventListener("click", async () => {
        button.textContent = (await copy(figure.querySelector("pre"))) ? "Copied" : "Press Ctrl+C";
        setTimeout(() => { button.textContent = "Copy"; }, 2000);
      });
      figure.prepend(button);
    }
  }

  // Where the clipboard is not for us, the text is selected, and the reader's own keys do it.
  async function copy(element) {
    try {
      await navigator.clipboard.writeText(element.textContent);
      return true;
    } catch {
      getSelection().selectAllChildren(element);
      try { return document.execCommand("copy"); } catch { return false; }
    }
  }

  function folding() {
    for (const button of document.querySelectorAll("button.fold")) {
      const all = [...button.closest("section").querySelectorAll("article > details")];
      const show = () => {
        button.textContent = all.every((details) => details.open) ? "Close all" : "Open all";
      };
      button.addEventListener("click", () => {
        const isOpen = all.every((details) => details.open);
        for (const details of all) details.open = !isOpen;
        show();
      });
      for (const details of all) details.addEventListener("toggle", show);
      button.hidden = false;
    }
    // On paper nothing can be opened.
    let closed = [];
    addEventListener("beforeprint", () => {
      closed = [...document.querySelectorAll("details:not([open])")];
      for (const details of closed) details.open = true;
    });
    addEventListener("afterprint", () => {
      for (const details of closed) details.open = false;
    });
  }
})();
