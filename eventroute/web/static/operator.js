// Keeps the live part of a page up to date. The server sends it whole, as it made the page: text stays text.
"use strict";
(() => {
  const part = document.getElementById("live");
  const sign = document.getElementById("live-sign");
  if (!part || !window.EventSource) return;
  let source = null;
  const say = (text, state) => { sign.textContent = text; sign.className = "badge " + state; };
  const open = () => {
    source = new EventSource(location.href);
    source.onopen = () => say("live", "good");
    source.onerror = () => say(source.readyState === 2 ? "not live: reload" : "reconnecting", "warn");
    source.onmessage = (message) => {
      // What somebody is reading, choosing or typing stays as it is until they are done.
      if (part.contains(document.activeElement) || !getSelection().isCollapsed) return say("held while you read", "warn");
      say("live", "good");
      const open = [...part.querySelectorAll("details[open]")].map((one) => one.id);
      part.innerHTML = message.data;
      for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    };
  };
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) { source?.close(); say("asleep", "warn"); } else open();
  });
  addEventListener("pagehide", () => source?.close());
  open();
})();
