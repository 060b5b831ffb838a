"use strict";

// What the playground needs beside htmx: drafts by dialect, links that hold what was tried, and copying. It sets the
// values of fields and texts of elements, and never makes markup, or code, of anything.
(() => {
  const FIELDS = [
    "sample", "kind", "github", "payload", "dialect", "rules", "define", "pipeline", "template", "template_type",
    "template_syntax", "mode", "language",
  ];
  const LONGEST_LINK = 500_000; // characters
  const form = document.getElementById("play");
  const said = document.getElementById("said");
  const most = Number(form.dataset.most);
  let timer = 0;

  function say(text) {
    clearTimeout(timer);
    said.textContent = text;
    timer = setTimeout(() => { said.textContent = ""; }, 4000);
  }

  function refuse(text) {
    const problem = document.createElement("p");
    problem.className = "problem";
    problem.setAttribute("role", "alert");
    problem.textContent = text;
    document.getElementById("outcome").replaceChildren(problem);
  }

  // Each dialect, and each kind of event, keeps the text that was written in it.
  const drafts = new Map();
  const current = new Map();

  function remember(name) {
    current.set(name, form.elements.namedItem(name).value);
  }

  function change(radio, editor) {
    const text = document.getElementById(editor);
    drafts.set(`${radio.name} ${current.get(radio.name)}`, text.value);
    text.value = drafts.get(`${radio.name} ${radio.value}`) ?? radio.dataset.draft ?? "";
    remember(radio.name);
  }

  function forget(name) {
    for (const key of [...drafts.keys()]) {
      if (key.startsWith(`${name} `)) drafts.delete(key);
    }
    remember(name);
  }

  form.addEventListener("change", (event) => {
    if (event.target.name === "dialect") change(event.target, "rules-text");
    if (event.target.name === "kind") change(event.target, "payload");
  });

  // Links: the fields as JSON, deflated, in the fragment, which no server gets to see.
  async function pressed(text) {
    const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    let binary = "";
    for (const byte of bytes) binary += String.fromCharCode(byte);
    return btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  async function unpressed(text) {
    if (text.length > LONGEST_LINK) throw new RangeError("too long");
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
    const decoder = new TextDecoder("utf-8", { fatal: true });
    let whole = "";
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return whole + decoder.decode();
      size += value.length;
      if (size > most) {
        await reader.cancel();
        throw new RangeError("too long");
      }
      whole += decoder.decode(value, { stream: true });
    }
  }

  function put(name, value) {
    const field = form.elements.namedItem(name);
    if (field instanceof HTMLSelectElement && ![...field.options].some((one) => one.value === value)) return;
    field.value = value;
  }

  async function restore() {
    const found = /^#try=([A-Za-z0-9_-]+)$/.exec(location.hash);
    if (!found) return;
    try {
      const state = JSON.parse(await unpressed(found[1]));
      for (const name of FIELDS) {
        if (Object.hasOwn(state, name) && typeof state[name] === "string") put(name, state[name]);
      }
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      say("This link cannot be read: it is cut short, or not one of the playground's.");
      return;
    }
    forget("dialect");
    forget("kind");
    htmx.trigger(form, "refresh");
  }

  async function link() {
    const state = Object.fromEntries(FIELDS.map((name) => [name, form.elements.namedItem(name)?.value ?? ""]));
    const fragment = `#try=${await pressed(JSON.stringify(state))}`;
    history.replaceState(null, "", fragment);
    return location.href;
  }

  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      say(`${what}: copied`);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      say("The browser does not let this page copy: select the text and copy it yourself.");
    }
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.id === "share") await copy(await link(), "Link");
    if (button.dataset.copy) await copy(document.getElementById(button.dataset.copy).textContent, button.textContent.trim());
  });

  // What somebody opened stays open when the outcome is another one.
  const opened = new Set();
  document.addEventListener("toggle", (event) => {
    if (event.target.open) opened.add(event.target.id);
    else if (event.target.isConnected) opened.delete(event.target.id);
  }, true);
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  });

  // What htmx is about to send, and what came of it.
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.elt !== form) return;
    const size = new URLSearchParams(new FormData(form)).toString().length;
    if (size > most) {
      event.preventDefault();
      refuse(`This is too long to be tried: ${size.toLocaleString("en")} bytes, and ${most.toLocaleString("en")} are allowed.`);
    }
  });
  document.addEventListener("htmx:sendError", () => refuse("The playground does not answer: is it still running?"));
  document.addEventListener("htmx:afterSettle", (event) => {
    const id = event.detail.elt.id;
    if (id === "rules") forget("dialect");
    if (id === "event") forget("kind");
    if (id === "rules" || id === "event") htmx.trigger(form, "refresh");
  });

  window.addEventListener("hashchange", restore);
  remember("dialect");
  remember("kind");
  restore();
})();
