// The basket: picked items and moments, kept in this browser. Any button with data-basket-id puts something in or out.
"use strict";
(() => {
  const PLACE = "sightsound-basket";
  const MOST = 1000;
  let saying = 0;
  let last = null; // the button that was toggled last, for ranges

  const number = (value) => (Number.isFinite(value) && value >= 0 ? value : null);

  function clean(pick) {
    if (!pick || typeof pick.id !== "string" || !/^[0-9a-f]{32}$/.test(pick.id)) return null;
    let start = number(pick.start), end = number(pick.end);
    if (start === null || end === null || end <= start) start = end = null;
    const key = typeof pick.key === "string" ? pick.key : keyOf(pick.id, start, end);
    return { key, id: pick.id, title: String(pick.title || "").slice(0, 200), start, end };
  }

  function keyOf(id, start, end) {
    return start === null ? id : `${id}@${start}-${end}`;
  }

  function read() {
    try {
      const kept = JSON.parse(localStorage.getItem(PLACE) || "{}");
      return (Array.isArray(kept.picks) ? kept.picks : []).map(clean).filter(Boolean).slice(0, MOST);
    } catch {
      return [];
    }
  }

  function write(picks) {
    if (picks.length > MOST) {
      say(`The basket holds ${MOST} at most: export or remove some first`);
      return false;
    }
    try {
      localStorage.setItem(PLACE, JSON.stringify({ version: 1, picks }));
    } catch {
      say("This browser keeps no more: its storage is full or switched off");
      return false;
    }
    document.dispatchEvent(new CustomEvent("basket"));
    return true;
  }

  function say(words) {
    let region = document.getElementById("basket-said");
    if (!region) {
      region = document.createElement("p");
      region.id = "basket-said";
      region.setAttribute("role", "status");
      document.body.append(region);
    }
    region.textContent = words;
    region.classList.remove("said");
    void region.offsetWidth; // begins its animation anew
    region.classList.add("said");
    clearTimeout(saying);
    saying = setTimeout(() => region.classList.remove("said"), 4000); // also where nothing may move
  }

  function pickOf(button) {
    const { basketId: id, basketTitle: title, basketStart, basketEnd } = button.dataset;
    const timed = basketStart !== undefined && basketStart !== "" && basketEnd !== undefined && basketEnd !== "";
    return clean({ id, title, start: timed ? Number(basketStart) : null, end: timed ? Number(basketEnd) : null });
  }

  function add(...wanted) {
    const picks = read();
    const known = new Set(picks.map((pick) => pick.key));
    return write([...picks, ...wanted.filter((pick) => pick && !known.has(pick.key))]);
  }

  function toggle(button) {
    const pick = pickOf(button);
    if (!pick) return;
    const picks = read();
    const without = picks.filter((one) => one.key !== pick.key);
    const out = without.length < picks.length;
    if (write(out ? without : [...picks, pick])) {
      say(out ? `${pick.title || "It"} is out of the basket` : `${pick.title || "It"} is in the basket: ${picks.length + 1} in all`);
    }
  }

  function range(from, to) {
    const all = [...document.querySelectorAll("[data-basket-id]")].filter((one) => one.dataset.basketStart === undefined || one === from || one === to);
    const [first, end] = [all.indexOf(from), all.indexOf(to)].sort((a, b) => a - b);
    const wanted = all.slice(first, end + 1).map(pickOf);
    if (add(...wanted)) say(`${wanted.length} are picked: ${read().length} in the basket in all`);
  }

  function show() {
    const picks = read();
    const keys = new Set(picks.map((pick) => pick.key));
    for (const button of document.querySelectorAll("[data-basket-id]")) {
      const pick = pickOf(button);
      button.setAttribute("aria-pressed", String(Boolean(pick && keys.has(pick.key))));
    }
    for (const count of document.querySelectorAll("[data-basket-count]")) {
      count.textContent = picks.length ? String(picks.length) : "";
      count.hidden = !picks.length;
    }
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-basket-id]");
    if (!button) return;
    event.preventDefault();
    if (event.shiftKey && last && last.isConnected && last !== button) range(last, button);
    else toggle(button);
    last = button;
  });
  document.addEventListener("basket", show);
  addEventListener("storage", (event) => {
    if (event.key === PLACE || event.key === null) document.dispatchEvent(new CustomEvent("basket"));
  });
  // What is put into the page later, such as the next hits, is shown as it is too.
  new MutationObserver((changes) => {
    if (changes.some((one) => [...one.addedNodes].some((node) => node.querySelector && (node.matches("[data-basket-id]") || node.querySelector("[data-basket-id]"))))) show();
  }).observe(document.documentElement, { childList: true, subtree: true });
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("[data-once]")) return;
    if (form.dataset.sent) event.preventDefault(); // a second click is no second download
    else {
      form.dataset.sent = "yes";
      setTimeout(() => delete form.dataset.sent, 4000);
    }
  });

  window.sightsoundBasket = { read, write, add, clean, say };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", show);
  else show();
})();
