"use strict";
// On the search page: films are scrubbed by their best moments, sounds play from theirs, lost pictures say so.

(() => {
  // Films. Moving over the picture shows the moment that lies there; leaving brings its own back.
  const moments = (frame) => [...frame.querySelectorAll("[data-moment]")];

  const show = (frame, link) => {
    const image = frame.querySelector("[data-pic] img");
    moments(frame).forEach((one) => one.classList.toggle("now", one === link));
    if (!image) return;
    image.dataset.own ??= image.getAttribute("src");
    frame.querySelector("[data-pic]").dataset.own ??= frame.querySelector("[data-pic]").href;
    const wanted = link?.dataset.frame ?? image.dataset.own;
    if (image.getAttribute("src") !== wanted) image.src = wanted;
    frame.querySelector("[data-pic]").href = link?.href ?? frame.querySelector("[data-pic]").dataset.own;
  };

  const scrub = (event) => {
    const frame = event.target.closest?.(".film .frame");
    if (!frame || event.target.closest(".acts")) return;
    const links = moments(frame);
    if (!links.length) return;
    const box = frame.getBoundingClientRect();
    const part = Math.min(0.999, Math.max(0, (event.clientX - box.left) / box.width));
    show(frame, event.target.closest("[data-moment]") ?? links[Math.floor(part * links.length)]);
  };
  document.addEventListener("pointermove", scrub);
  document.addEventListener("pointerout", (event) => {
    const frame = event.target.closest?.(".film .frame");
    // A finger that is lifted leaves the moment it came to, to be tapped.
    if (frame && event.pointerType !== "touch" && !frame.contains(event.relatedTarget)) show(frame, null);
  });
  document.addEventListener("focusin", (event) => {
    const link = event.target.closest?.("[data-moment]");
    if (link) show(link.closest(".frame"), link);
  });
  document.addEventListener("focusout", (event) => {
    const frame = event.target.closest?.(".film .frame");
    if (frame && !frame.contains(event.relatedTarget)) show(frame, null);
  });

  // Sounds. A moment's link plays from there; one sound plays at a time.
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-seek]");
    const player = link?.closest(".card").querySelector("audio");
    if (!player || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    const start = () => { player.currentTime = Number(link.dataset.seek); };
    if (player.readyState >= 1) start();
    else player.addEventListener("loadedmetadata", start, { once: true });
    player.play().catch(() => {});
  });
  document.addEventListener("play", (event) => {
    document.querySelectorAll("audio, video").forEach((one) => one !== event.target && one.pause());
  }, true);

  // Pictures that can't be had.
  const lost = (image) => {
    const card = image.closest(".card");
    if (!card || !image.matches("[data-picture]")) {
      image.classList.add("gone");
      return;
    }
    if (card.classList.contains("dead")) return;
    card.classList.add("dead");
    const note = document.createElement("span");
    note.className = "gone";
    note.textContent = image.hasAttribute("data-remote") ? "The picture is not there any more" : "No picture can be shown";
    if (card.classList.contains("sound")) return;
    card.querySelector(".pic").append(note);
  };
  document.addEventListener("lost", (event) => lost(event.target));
})();
