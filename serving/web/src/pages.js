import { ask } from "./advice.js";
import { options } from "./options.js";
import { flush, hurry, leave, restore } from "./send.js";
import { on, signal } from "./track.js";

const STEP = 0.25;
const ADDRESS = () => location.pathname + location.search;

let place;
let depth;
let hasIntent;
let tick = 0;
let lastActed;
let leaving = false;
let away = false;

/** Send that a page is seen. */
export function view(name, properties) {
  place = ADDRESS();
  depth = 0;
  hasIntent = false;
  const page = name || options.page?.() || document.body.dataset.dropoffPage || location.pathname;
  return signal("page_view", { page, ...properties });
}

/** Send the first page view, with how the page has come and how long it took. */
export function arrive() {
  const [navigation] = performance.getEntriesByType("navigation");
  const { type, responseStatus } = navigation || {};
  const message = view();
  if (type === "back_forward") signal("go_back");
  if (responseStatus >= 400) signal("page_error", { status: `${responseStatus}` });
  new PerformanceObserver((entries) => {
    const { duration } = entries.getEntries()[0];
    if (message) message.properties.load_seconds = Math.round(duration) / 1000;
    hurry();
  }).observe({ type: "navigation", buffered: true });
}

/** Notice where people are, how far they read, and when they go. */
export function watchPages() {
  const { pushState } = history;
  history.pushState = function (...given) {
    pushState.apply(this, given);
    // Later, so that the page's own title and content have changed too, and no mistake of ours stops it.
    setTimeout(moved);
  };
  // A link to a part of the page is told here too, and is no step back.
  on("popstate", () => {
    if (ADDRESS() !== place) signal("go_back");
    moved();
  });
  on("pageshow", ({ persisted }) => {
    if (!persisted) return;
    leaving = false;
    signal("go_back");
    view();
  });
  on("pagehide", () => {
    leaving = true;
    leave();
  });
  on("visibilitychange", () => {
    const hidden = document.visibilityState === "hidden";
    // A page that is left for another is hidden too.
    if (!leaving && hidden !== away) signal(hidden ? "hide_tab" : "show_tab");
    away = hidden;
    hidden ? leave() : restore();
  });
  on("scroll", noticeDepth);
  on("scroll pointermove pointerdown keydown touchstart", () => {
    lastActed = Date.now();
    tick = 0;
  });
  on("error", ({ message }) => message && signal("script_error"));
  on("mouseout", ({ relatedTarget, clientY }) => {
    if (relatedTarget || clientY > 0 || hasIntent) return;
    hasIntent = true;
    signal("exit_intent");
  });
  lastActed = Date.now();
  setInterval(noticeSilence, 1000);
}

function moved() {
  if (ADDRESS() !== place) view();
}

function noticeDepth() {
  const { scrollHeight } = document.documentElement;
  // Half a pixel may be missing at the end of a page.
  const reached = (scrollY + innerHeight + 1) / scrollHeight;
  while (depth < 1 && reached >= depth + STEP) signal("scroll", { depth: (depth += STEP) });
}

function noticeSilence() {
  if (document.visibilityState === "hidden" || !(Date.now() - lastActed >= options.idle[tick] * 1000)) return;
  // The silence itself is what the model reads: an event would end it.
  signal("idle", { seconds: options.idle[tick++] });
  flush();
  ask();
}
