// The page of the site's state: how far the retry is, and the page anew when it has ended.
"use strict";
(() => {
  const place = document.querySelector("[data-retry]");
  if (!place) return;

  async function look() {
    try {
      const progress = await (await fetch(place.dataset.retry)).json();
      if (progress.state && progress.state !== "running") return location.reload();
      place.querySelector("span").textContent = `${progress.done} of ${progress.total}`;
      place.querySelector("progress").value = progress.done;
    } catch {
      // The site is busy or away for a moment.
    }
    setTimeout(look, 2000);
  }
  setTimeout(look, 1000);
})();
