// The basket's page: rows drawn by the server, kept in the order of the browser's basket.
"use strict";
(() => {
  const root = document.querySelector("[data-basket]");
  const basket = window.sightsoundBasket;
  if (!root || !basket) return;
  const list = root.querySelector(".picks");
  const status = root.querySelector(".basket-status");
  const undo = root.querySelector(".undo");
  let before = null; // what an undo brings back
  let mine = false; // a change made here needs no new drawing
  let drawing = 0;

  const rows = () => [...list.children];
  const chosen = () => rows().filter((row) => row.querySelector(".chosen").checked);
  const place = (row) => rows().indexOf(row);

  const tell = (words) => {
    status.textContent = words;
    status.hidden = !words;
  };

  function around(count) {
    root.querySelector(".basket-tools").hidden = !count;
    root.querySelector(".keys").hidden = !count;
    root.querySelector(".basket-empty").hidden = Boolean(count);
    const some = chosen().length;
    root.querySelector("[data-what]").textContent = some ? `${some} selected` : `all ${count}`;
    root.querySelector('[data-do="remove"]').disabled = !some;
    root.querySelector('[data-do="all"]').textContent = some && some === count ? "Select none" : "Select all";
  }

  async function draw() {
    const picks = basket.read(), turn = ++drawing;
    around(picks.length);
    if (!picks.length) return list.replaceChildren();
    list.setAttribute("aria-busy", "true");
    try {
      const answer = await post(root.dataset.picks, picks);
      const text = await answer.text();
      if (turn !== drawing) return;
      if (!answer.ok) return tell("The basket can't be shown just now. Nothing in it is lost: load the page again.");
      list.innerHTML = text;
      for (const input of list.querySelectorAll("[data-time]")) if (input.value) input.value = clock(Number(input.value));
      tell("");
    } catch {
      tell("The site can't be reached. Nothing in the basket is lost: load the page again.");
    } finally {
      list.setAttribute("aria-busy", "false");
    }
    around(picks.length);
  }

  const post = (url, picks) => fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ picks: picks.map(({ id, title, start, end }) => (start === null ? { id, title } : { id, title, start, end })) }),
  });

  function keep(picks) {
    mine = true;
    const done = basket.write(picks);
    mine = false;
    return done;
  }

  const clock = (time) => {
    const whole = (time % 60).toFixed(2).replace(/0$/, "");
    const tenths = whole.indexOf(".") < 2 ? `0${whole}` : whole;
    const minutes = Math.floor(time / 60);
    return minutes >= 60 ? `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${tenths}` : `${minutes}:${tenths}`;
  };
  const seconds = (text) => text.trim().split(":").reduce((sum, part) => 60 * sum + (part.trim() === "" ? NaN : Number(part.replace(",", "."))), 0);

  // Removing, with a way back

  function remove(gone) {
    const places = new Set(gone.map(place)), picks = basket.read();
    const next = rows()[Math.max(0, Math.min(...places))];
    if (!gone.length || !keep(picks.filter((_, number) => !places.has(number)))) return;
    before = picks;
    const after = rows().filter((row) => !gone.includes(row));
    const to = after[Math.min(Math.min(...places), after.length - 1)] || next;
    for (const row of gone) row.remove();
    undo.querySelector("span").textContent = gone.length === 1 ? `${gone[0].getAttribute("aria-label")} is out of the basket.` : `${gone.length} are out of the basket.`;
    undo.hidden = false;
    around(rows().length);
    if (to?.isConnected) to.focus();
    else undo.querySelector("button").focus();
  }

  function move(row, step) {
    const from = place(row), to = from + step, picks = basket.read();
    if (to < 0 || to >= picks.length) return;
    picks.splice(to, 0, ...picks.splice(from, 1));
    if (!keep(picks)) return;
    const held = document.activeElement;
    if (step < 0) row.previousElementSibling.before(row);
    else row.nextElementSibling.after(row);
    if (row.contains(held) || held === row) held.focus();
    basket.say(`${row.getAttribute("aria-label")} is number ${to + 1} of ${picks.length}`);
  }

  // Times

  list.addEventListener("change", (event) => {
    const input = event.target.closest("[data-time]");
    if (!input) return around(rows().length);
    const row = input.closest("li"), inputs = [...row.querySelectorAll("[data-time]")];
    const texts = inputs.map((one) => one.value.trim()), picks = basket.read(), pick = picks[place(row)];
    const whole = texts.every((text) => !text);
    let [start, end] = whole ? [null, null] : texts.map((text) => (text ? Math.round(seconds(text) * 100) / 100 : NaN));
    if (end > Number(row.dataset.length) && start < Number(row.dataset.length)) end = Number(row.dataset.length);
    const good = whole || (Number.isFinite(start) && Number.isFinite(end) && start >= 0 && end > start && !(start >= Number(row.dataset.length)));
    for (const one of inputs) one.setAttribute("aria-invalid", String(!good));
    row.querySelector(".whole-note").textContent = good ? (whole ? "the whole of it" : "") : `Write both, such as 1:05.5, the end after the start${row.dataset.length ? `; it lasts ${clock(Number(row.dataset.length))}` : ""}`;
    if (!good || !pick) return;
    Object.assign(pick, { start, end });
    if (keep(picks) && !whole) inputs.forEach((one, number) => { one.value = clock([start, end][number]); });
  });

  // Buttons

  const actions = {
    all: () => {
      const check = chosen().length < rows().length;
      for (const row of rows()) row.querySelector(".chosen").checked = check;
      around(rows().length);
    },
    remove: () => remove(chosen()),
    clear: () => remove(rows()),
    undo: () => {
      if (before && basket.write(before)) {
        before = null;
        undo.hidden = true;
      }
    },
  };

  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]"), row = event.target.closest(".picks > li");
    if (button && row) {
      if (button.dataset.do === "out") remove([row]);
      else move(row, button.dataset.do === "up" ? -1 : 1);
    } else if (button) actions[button.dataset.do]();
    const format = event.target.closest("[data-format]");
    if (format) take(format);
    if (event.target.matches(".chosen")) select(row, event.target.checked, event.shiftKey);
  });

  let anchor = null;
  function select(row, check, toAnchor) {
    const [first, end] = [place(toAnchor && anchor?.isConnected ? anchor : row), place(row)].sort((a, b) => a - b);
    for (const one of rows().slice(first, end + 1)) one.querySelector(".chosen").checked = check;
    anchor = row;
    around(rows().length);
  }

  // Keys, on a row itself

  list.addEventListener("keydown", (event) => {
    const row = event.target.closest(".picks > li");
    if (!row || event.target.matches("[data-time]")) return;
    const all = rows(), at = all.indexOf(row);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && event.altKey) move(row, step);
    else if (step) {
      const next = all[at + step];
      if (!next) return;
      if (event.shiftKey) {
        row.querySelector(".chosen").checked = true;
        next.querySelector(".chosen").checked = true;
        anchor = next;
        around(all.length);
      }
      next.focus();
    } else if (event.key === " " && event.target === row) select(row, !row.querySelector(".chosen").checked, event.shiftKey);
    else if (event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) actions.all();
    else if (event.key === "Delete") remove(chosen().length ? chosen() : [row]);
    else return;
    event.preventDefault();
  });
  list.addEventListener("focusin", (event) => {
    const row = event.target.closest(".picks > li");
    for (const one of rows()) one.tabIndex = one === row ? 0 : -1;
  });

  // Exports

  async function take(button) {
    const some = chosen(), picks = basket.read();
    const wanted = some.length ? some.map((row) => picks[place(row)]) : picks;
    button.disabled = true;
    tell(button.dataset.format === "sheet" ? "The contact sheet is being made…" : "");
    try {
      const answer = await post(`${root.dataset.export}?format=${button.dataset.format}`, wanted);
      if (!answer.ok) {
        const said = await answer.json().catch(() => null);
        return tell(said?.error?.message || "It could not be written just now: try again.");
      }
      const name = /filename="?([^";]+)/.exec(answer.headers.get("Content-Disposition") || "")?.[1] || "basket";
      const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(await answer.blob()), download: name });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 60000);
      tell(`${name} is in your downloads.`);
    } catch {
      tell("The site can't be reached: try again.");
    } finally {
      button.disabled = false;
    }
  }

  document.addEventListener("basket", () => {
    if (!mine) draw();
  });
  draw().then(() => {
    const first = rows()[0];
    if (first) first.tabIndex = 0;
  });
})();
