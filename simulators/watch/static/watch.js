// Fetches the live part of the page every two seconds while somebody looks at it.
"use strict";

const EVERY_MS = 2000;
const live = document.getElementById("live");
const news = document.getElementById("news");
let version = live.dataset.version;
let asking = false;

function idsOf(selector) {
  return new Set(Array.from(live.querySelectorAll(selector), (element) => element.id));
}

// What the person opened stays open, and the keyboard stays where it was.
function replace(html) {
  const before = idsOf(".letter");
  const open = idsOf("details[open]");
  const focused = live.contains(document.activeElement) ? document.activeElement.id : "";
  live.innerHTML = html;
  for (const id of open) {
    const details = document.getElementById(id);
    if (details) details.open = true;
  }
  if (focused && document.getElementById(focused)) {
    document.getElementById(focused).focus({ preventScroll: true });
  }
  let fresh = 0;
  for (const letter of live.querySelectorAll(".letter")) {
    if (!before.has(letter.id)) {
      letter.classList.add("letter--new");
      fresh += 1;
    }
  }
  if (fresh) news.textContent = fresh === 1 ? "1 new message" : `${fresh} new messages`;
}

async function ask() {
  if (asking || document.hidden) return;
  asking = true;
  try {
    const answer = await fetch(`/live${location.search}`, { headers: { "If-None-Match": version } });
    if (answer.status === 200) {
      version = answer.headers.get("ETag");
      replace(await answer.text());
    }
    document.body.classList.remove("is-away");
  } catch {
    document.body.classList.add("is-away");
  } finally {
    asking = false;
  }
}

// On a narrow screen the recipients stand in one row: show the chosen one.
const chosen = live.querySelector("[aria-current]");
if (chosen) chosen.scrollIntoView({ block: "nearest", inline: "center" });

// A formatted e-mail is fetched when somebody opens it, not with every refresh.
live.addEventListener(
  "toggle",
  (event) => {
    const frame = event.target.querySelector("iframe[data-src]");
    if (event.target.open && frame && !frame.src) frame.src = frame.dataset.src;
  },
  true,
);

setInterval(ask, EVERY_MS);
document.addEventListener("visibilitychange", ask);
