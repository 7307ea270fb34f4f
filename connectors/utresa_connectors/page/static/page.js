// The live half of a page: puts changed figures into their cells and marks them, and says when it is not connected.
// Without it the page is complete and stands still.
"use strict";

(() => {
  const live = document.body.dataset.live;
  if (!live) return;

  const SILENT_MS = 15000; // the server is heard of at least every five seconds
  const RETRY_MS = 5000;
  const MARKED_MS = 4000;
  const LAYOUT_MS = 2000; // between two fetches of the whole page
  const banner = document.querySelector(".state");
  let source = null;
  let heardAt = 0;
  let layoutTimer = 0;

  const byName = (attribute, name) => document.querySelectorAll(`[data-${attribute}="${CSS.escape(name)}"]`);

  function tell(name, text) {
    const words = banner.querySelector(".state-text");
    banner.dataset.state = name;
    if (words.textContent !== text) words.textContent = text;
  }

  function putCells(cells) {
    let missing = false;
    for (const [name, text] of Object.entries(cells)) {
      const places = byName("cell", name);
      missing ||= places.length === 0;
      for (const place of places) {
        if (place.textContent === text) continue;
        place.textContent = text;
        place.classList.add("changed");
        setTimeout(() => place.classList.remove("changed"), MARKED_MS);
      }
    }
    if (missing) layout();
  }

  function putCharts(charts) {
    for (const [name, digest] of Object.entries(charts)) {
      for (const place of byName("chart", name)) {
        const attribute = place.tagName === "SOURCE" ? "srcset" : "src";
        const address = new URL(place.getAttribute(attribute), location.href);
        if (address.searchParams.get("v") === digest) continue;
        address.searchParams.set("v", digest);
        place.setAttribute(attribute, address.pathname + address.search);
      }
    }
  }

  // Rows or years have come or gone: take the whole content anew, but not from under somebody's hands.
  function layout() {
    if (layoutTimer) return;
    layoutTimer = setTimeout(async () => {
      layoutTimer = 0;
      const content = document.getElementById("content");
      if (content.contains(document.activeElement) && document.activeElement !== content) return layout();
      try {
        const answer = await fetch(location.href);
        if (!answer.ok) return;
        const fetched = new DOMParser().parseFromString(await answer.text(), "text/html");
        content.replaceWith(fetched.getElementById("content"));
      } catch {
        // The banner tells that there is no connection.
      }
    }, LAYOUT_MS);
  }

  function connect() {
    disconnect();
    heardAt = Date.now();
    source = new EventSource(live);
    const on = (name, take) =>
      source.addEventListener(name, (event) => {
        heardAt = Date.now();
        take(JSON.parse(event.data));
      });
    on("cells", putCells);
    on("charts", putCharts);
    on("layout", layout);
    on("state", (state) => tell(state.name, state.text));
    on("beat", () => {});
  }

  function disconnect() {
    if (source) source.close();
    source = null;
  }

  // A page that nobody looks at holds no connection: a browser gives a server only six.
  document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : connect()));
  window.addEventListener("pagehide", disconnect);
  setInterval(() => {
    if (!source) return;
    const closed = source.readyState === EventSource.CLOSED;
    if (closed || source.readyState === EventSource.CONNECTING || Date.now() - heardAt > SILENT_MS) {
      tell("lost", document.body.dataset.lost);
      if (closed || Date.now() - heardAt > SILENT_MS) connect();
    }
  }, RETRY_MS);
  connect();
})();
