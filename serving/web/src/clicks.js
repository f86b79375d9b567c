import { options } from "./options.js";
import { ignored, on, signal } from "./track.js";

const VERSION = 1;
const ACTS = "a[href],button,summary,[role=button],[role=link],[role=tab],[role=menuitem],[onclick]";
const SUBMITS = "[type=submit],[type=button],[type=image]";
const FIELDS = "input,select,textarea,label,option,video,audio,canvas,[contenteditable]";
// Links that are answered elsewhere than on this page.
const AWAY = "[target]:not([target=_self]),[download],[href^='mailto:'],[href^='tel:'],[href^='sms:']";
const STEPPER = /^[-+−–<>‹›«»←→↑↓▲▼]$/;
// What tells that the page has answered, beside a change of its content.
const ANSWERS = "scroll focus blur submit invalid change toggle copy beforeunload visibilitychange";

let clicks = [];
let raged = -Infinity;
const waiting = new Set();

/** Notice clicks in anger, and clicks that nothing answers. */
export function watchClicks() {
  on("click", (event) => {
    const { target, clientX: x, clientY: y } = event;
    const acts = target.closest?.(`${ACTS},${SUBMITS}`);
    // A key held down opens another tab, and a key pressed has no place on the page.
    if (ignored(target) || (!acts && target.closest(FIELDS)) || event.detail === 0) return;
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const looks = acts || (getComputedStyle(target).cursor === "pointer" && target);
    const click = { x, y, at: event.timeStamp, answered: false };
    noticeRage(click, looks || target, !looks && `${getSelection()}`);
    awaitAnswer(click, looks && !looks.matches(AWAY) && looks);
  });
}

function noticeRage(click, target, selected) {
  const { clicks: most, px, ms } = options.rage;
  clicks = clicks.filter(({ at, x, y }) => click.at - at <= ms && Math.hypot(click.x - x, click.y - y) <= px);
  clicks.push(click);
  // A stepper or a gallery answers each click; three clicks in a text select a paragraph.
  const answered = clicks.slice(0, -1).every((one) => one.answered);
  if (clicks.length < most || answered || selected || STEPPER.test(target.textContent.trim())) return;
  // One outburst is one event, however long it lasts.
  if (click.at - raged > ms) signal("rage_click", said(target, `${VERSION}:${most},${px},${ms}`));
  raged = click.at;
}

function awaitAnswer(click, target) {
  if (target && waiting.has(target)) target = null;
  const place = location.href;
  const observer = new MutationObserver(answer);
  const stop = () => {
    observer.disconnect();
    clearTimeout(timer);
    waiting.delete(target);
    ANSWERS.split(" ").forEach((type) => removeEventListener(type, answer, true));
  };
  const timer = setTimeout(() => {
    stop();
    if (target && location.href === place) signal("dead_click", said(target, `${VERSION}:${options.dead.ms}`));
  }, options.dead.ms);
  function answer() {
    click.answered = true;
    stop();
  }
  if (target) waiting.add(target);
  on(ANSWERS, answer);
  observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
}

/** Name an element without its text, which may be about a person. */
function said(element, definition) {
  const name = element.dataset.dropoffName || element.id || element.getAttribute("name") || element.classList[0];
  return { element: element.localName + (name ? `.${name}` : ""), definition };
}
