"use strict";
// On every page: a picture, sound or film that is chosen, dropped or pasted becomes a part of the query.

(() => {
  const status = document.querySelector("[data-status]");

  const say = (words, bad = false) => {
    status.classList.toggle("bad", bad);
    status.textContent = words;
  };

  const withUpload = (id) => {
    const url = new URL(location.pathname === "/" ? location.href : "/", location.origin);
    url.searchParams.delete("offset");
    url.searchParams.delete("limit");
    url.searchParams.append("part", `upload:1:${id}`);
    url.hash = "";
    return url.href;
  };

  const upload = async (file) => {
    say(`Reading ${file.name || "what was pasted"} …`);
    const form = new FormData();
    form.append("file", file, file.name || "pasted");
    try {
      const answer = await fetch("/api/v1/uploads", { method: "POST", body: form });
      const said = await answer.json();
      if (!answer.ok) {
        say(said.error.message, true);
        return;
      }
      say("Searching …");
      location.assign(withUpload(said.id));
    } catch {
      say("The file could not be sent. Is the site still running? Try again.", true);
    }
  };

  document.querySelectorAll("[data-upload]").forEach((input) => {
    input.addEventListener("change", () => input.files[0] && upload(input.files[0]));
  });

  const isFile = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
  let over = null;
  const hide = () => {
    over?.remove();
    over = null;
  };
  addEventListener("dragenter", (event) => {
    if (!isFile(event) || over) return;
    over = document.createElement("div");
    over.className = "drop-here";
    over.textContent = "Drop it to search by it";
    document.body.append(over);
  });
  addEventListener("dragover", (event) => isFile(event) && event.preventDefault());
  addEventListener("dragleave", (event) => event.relatedTarget === null && hide());
  addEventListener("drop", (event) => {
    hide();
    if (!isFile(event) || !event.dataTransfer.files.length) return;
    event.preventDefault();
    upload(event.dataTransfer.files[0]);
  });
  addEventListener("paste", (event) => {
    const file = event.clipboardData?.files[0];
    if (!file) return;
    event.preventDefault();
    upload(file);
  });
  // Back from a search by an upload: what was being said is said no more.
  addEventListener("pageshow", () => say(""));

  document.addEventListener("htmx:responseError", (event) => {
    say(event.detail.xhr.status === 503 || event.detail.xhr.status === 429
      ? "Too many searches at once. Wait a moment, then try again."
      : "That could not be loaded. Try again, or load the page anew.", true);
  });
  document.addEventListener("htmx:sendError", () => say("The site does not answer. Is it still running?", true));
  document.addEventListener("htmx:beforeRequest", () => say(""));
})();
