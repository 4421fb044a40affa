"use strict";
// On every page: a picture that is still being made is asked for until it is there; one that can't be had says so, as the
// event "lost" of its element.

(() => {
  const MOST = 30; // times that one picture is asked for: some minutes
  const WAIT = 2; // seconds, where the site does not say

  const address = (image) => image.currentSrc || image.getAttribute("src") || image.getAttribute("href");
  const show = (image, url) => {
    const name = image.tagName === "IMG" ? "src" : "href";
    image.removeAttribute(name);
    image.setAttribute(name, url);
  };
  const shows = (image, url) => new URL(address(image), location.href).href === url;
  const lost = (image) => image.dispatchEvent(new CustomEvent("lost", { bubbles: true }));
  const pause = (seconds) => new Promise((done) => { setTimeout(done, 1000 * seconds); });

  const asking = new WeakMap(); // the address that a picture is asked for at: an error may come when that has begun

  async function again(image) {
    const { href: url, origin } = new URL(address(image), location.href);
    if (asking.get(image) === url) return;
    if (origin !== location.origin || image.dataset.asked === url) return lost(image);
    image.dataset.asked = url; // the second time that it fails it is lost
    asking.set(image, url);
    await ask(image, url);
    if (asking.get(image) === url) asking.delete(image);
  }

  async function ask(image, url) {
    for (let tries = 0; tries < MOST && image.isConnected; tries += 1) {
      const answer = await fetch(url, { method: "HEAD" }).catch(() => null);
      if (!shows(image, url)) return; // by now it is to show another
      if (answer?.status === 200) {
        image.addEventListener("load", () => delete image.dataset.asked, { once: true });
        show(image, url);
        return;
      }
      if (!answer || ![202, 429, 503].includes(answer.status)) break;
      await pause(Number(answer.headers.get("Retry-After")) || WAIT);
    }
    if (shows(image, url)) lost(image);
  }

  const isPicture = (one) => one.tagName === "IMG" || one.tagName === "image";
  document.addEventListener("error", (event) => isPicture(event.target) && again(event.target), true);
  // Those that failed before this was here; once the page's other scripts listen.
  document.addEventListener("DOMContentLoaded", () => document.querySelectorAll("img").forEach((image) => {
    if (image.complete && !image.naturalWidth && image.currentSrc && !image.dataset.asked) again(image);
  }));
})();
