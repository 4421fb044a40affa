// An item's page: pieces that are loaded when they are seen, the timeline, and the sliders of films alike.
"use strict";
(() => {
  const player = document.querySelector(".stage video, .stage audio");
  const timeline = document.querySelector(".timeline");

  // Pieces of the page

  async function load(place, url, signal) {
    place.setAttribute("aria-busy", "true");
    try {
      const answer = await fetch(url, { signal, headers: { Accept: "text/html" } });
      const text = await answer.text();
      if (answer.ok) place.innerHTML = text;
      else fail(place, url, answer.status === 503 || answer.status === 429 ? "The site is busy just now." : "This could not be loaded.");
    } catch (error) {
      if (error.name === "AbortError") return;
      fail(place, url, "The site can't be reached.");
    }
    place.setAttribute("aria-busy", "false");
  }

  function fail(place, url, why) {
    const again = Object.assign(document.createElement("button"), { type: "button", textContent: "Try again" });
    again.addEventListener("click", () => load(place, url));
    const said = document.createElement("p");
    said.className = "hint";
    said.append(`${why} `, again);
    place.replaceChildren(said);
  }

  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      seen.unobserve(entry.target);
      load(entry.target, entry.target.dataset.load);
    }
  }, { rootMargin: "400px" });
  for (const place of document.querySelectorAll("[data-load]")) seen.observe(place);

  const pictures = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      pictures.unobserve(entry.target);
      const image = entry.target.querySelector("image[data-href]");
      image.setAttribute("href", image.dataset.href);
    }
  }, { rootMargin: "200px" });
  for (const image of document.querySelectorAll("image[data-href]")) pictures.observe(image.closest("a"));

  // Films alike

  const form = document.querySelector("[data-alike]");
  const found = document.getElementById("alike-found");
  if (form && found) {
    let waiting = 0, running = null;
    const compare = () => {
      seen.unobserve(found);
      running?.abort();
      running = new AbortController();
      const asked = new URLSearchParams([...new FormData(form)].filter(([name]) => ["look", "sound", "meaning"].includes(name)));
      const here = new URL(location.href);
      for (const [name, value] of asked) here.searchParams.set(name, value);
      history.replaceState(null, "", here);
      load(found, `${form.dataset.alike}?${asked}`, running.signal);
    };
    form.classList.add("live");
    form.addEventListener("input", (event) => {
      event.target.closest("label").querySelector("output").value = Number(event.target.value).toFixed(1);
      clearTimeout(waiting);
      waiting = setTimeout(compare, 250);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(waiting);
      compare();
    });
  }

  // The player

  const note = document.querySelector(".player-note");
  const say = (words) => {
    if (!note) return;
    note.textContent = words;
    note.hidden = !words;
  };

  const picture = document.querySelector("img[data-shown]");
  const dead = () => say("The picture can't be shown: its file or its link may be gone.");
  if (picture) {
    picture.addEventListener("lost", dead);
  }

  let wanted = null; // the second to play from once it can be played

  function seek(start) {
    if (!player) return false;
    if (player.readyState >= 1) player.currentTime = start;
    else wanted = start;
    player.play().catch(() => {});
    document.getElementById("player").scrollIntoView({ block: "nearest" });
    return true;
  }

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-seek]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
    if (seek(Number(link.dataset.seek))) event.preventDefault();
  });

  // A poster that is still being made: the picture beside the player is asked for again, as all pictures are.
  const poster = player?.parentElement.querySelector("img[hidden]");
  poster?.addEventListener("load", () => { player.poster = poster.getAttribute("src"); });

  if (player) {
    const wait = async () => {
      // A preview that is still being made answers 202 until it is there.
      const answer = await fetch(player.dataset.url, { method: "HEAD" }).catch(() => null);
      if (!answer) return say("The site can't be reached.");
      if ([202, 429, 503].includes(answer.status)) {
        say("A version that browsers can play is being made. It begins here when it is ready.");
        return setTimeout(wait, 1000 * (Number(answer.headers.get("Retry-After")) || 2));
      }
      if (!answer.ok) return say(`It can't be played here: ${answer.status === 404 || answer.status === 410 ? "its file is gone" : "no version that browsers play could be made of it"}. The original can be downloaded.`);
      if (player.dataset.waited) {
        say("");
        player.src = own;
        delete player.dataset.waited;
      } else say("This browser can't play it. The original can be downloaded.");
    };
    const own = player.getAttribute("src");
    player.dataset.url = own.replace(/#.*/, "");
    player.addEventListener("loadedmetadata", () => {
      if (wanted === null) return;
      player.currentTime = wanted;
      wanted = null;
      player.play().catch(() => {});
    });
    // Whoever chose a moment elsewhere wants to see it; a page that is only shown again does not begin by itself.
    const from = new URLSearchParams(location.search).get("t");
    if (from !== null && performance.getEntriesByType("navigation")[0]?.type === "navigate") seek(Number(from) || 0);
    player.addEventListener("error", () => {
      if (player.dataset.tried) return say("This browser can't play it. The original can be downloaded.");
      player.dataset.waited = player.dataset.tried = "yes";
      wait();
    });
    if (player.error) player.dispatchEvent(new Event("error"));
  }

  // The timeline

  if (timeline) {
    const duration = Number(timeline.dataset.duration);
    const lanes = timeline.querySelector(".lanes");
    const head = timeline.querySelector(".playhead");
    const links = [...lanes.querySelectorAll("a")];
    const show = () => {
      const share = `${(100 * Math.min(player.currentTime / duration, 1)).toFixed(3)}%`;
      head.setAttribute("x1", share);
      head.setAttribute("x2", share);
      head.setAttribute("visibility", "visible");
      for (const link of links) {
        const now = player.currentTime >= Number(link.dataset.seek) && player.currentTime < Number(link.dataset.until);
        link.classList.toggle("now", now);
      }
    };
    if (player) for (const what of ["timeupdate", "seeking"]) player.addEventListener(what, show);
    lanes.addEventListener("click", (event) => {
      if (event.target.closest("a") || !player) return;
      const box = lanes.getBoundingClientRect();
      seek((duration * (event.clientX - box.left)) / box.width);
    });
    // One stop of the tab key; arrows go on within it: left and right in a lane, up and down between lanes.
    const lane = (link) => links.filter((one) => one.classList[0] === link.classList[0]);
    const names = [...new Set(links.map((link) => link.classList[0]))];
    const focus = (link) => {
      if (!link) return;
      for (const one of links) one.setAttribute("tabindex", one === link ? "0" : "-1");
      link.focus();
    };
    links.forEach((link, place) => link.setAttribute("tabindex", place ? "-1" : "0"));
    lanes.addEventListener("keydown", (event) => {
      const link = event.target.closest("a");
      if (!link || event.altKey || event.ctrlKey || event.metaKey) return;
      const row = lane(link), at = row.indexOf(link), time = Number(link.dataset.seek);
      const other = (step) => {
        const next = links.filter((one) => one.classList[0] === names[names.indexOf(link.classList[0]) + step]);
        return next.reduce((best, one) => (Math.abs(one.dataset.seek - time) < Math.abs(best.dataset.seek - time) ? one : best), next[0]);
      };
      const to = { ArrowRight: row[at + 1], ArrowLeft: row[at - 1], Home: row[0], End: row[row.length - 1] };
      if (event.key in to) focus(to[event.key]);
      else if (event.key === "ArrowDown") focus(other(1));
      else if (event.key === "ArrowUp") focus(other(-1));
      else if (event.key === " ") link.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));
      else return;
      event.preventDefault();
    });
  }

  // Picking a moment of one's own

  const marks = document.querySelector("[data-marks]");
  if (marks && player) {
    marks.hidden = false;
    const whole = Number(timeline?.dataset.duration || 0);
    const clock = (time) => `${Math.floor(time / 60)}:${(time % 60).toFixed(1).padStart(4, "0")}`;
    const seconds = (text) => text.trim().split(":").reduce((sum, part) => 60 * sum + (part.trim() === "" ? NaN : Number(part.replace(",", "."))), 0);
    marks.elements.end.value = clock(Math.floor(whole * 10) / 10);
    const set = (name) => {
      marks.elements[name].value = clock(player.currentTime);
    };
    for (const button of marks.querySelectorAll("[data-mark]")) button.addEventListener("click", () => set(button.dataset.mark));
    document.addEventListener("keydown", (event) => {
      if (event.target.matches("input, textarea, select") || event.ctrlKey || event.metaKey || event.altKey) return;
      const name = { i: "start", o: "end" }[event.key.toLowerCase()];
      if (name) set(name);
    });
    marks.addEventListener("submit", (event) => {
      event.preventDefault();
      const basket = window.sightsoundBasket;
      let [start, end] = ["start", "end"].map((name) => Math.round(seconds(marks.elements[name].value) * 100) / 100);
      if (whole && end > whole) marks.elements.end.value = clock((end = Math.floor(whole * 100) / 100));
      const good = Number.isFinite(start) && Number.isFinite(end) && start >= 0 && end > start;
      for (const name of ["start", "end"]) marks.elements[name].setAttribute("aria-invalid", String(!good));
      if (!good) return basket.say("Write times such as 1:05.5, and the end after the start");
      const pick = basket.clean({ id: marks.dataset.basketOf, title: marks.dataset.title, start, end });
      if (basket.add(pick)) basket.say(`${clock(start)} to ${clock(end)} is in the basket`);
    });
  }
})();
