import { options } from "./options.js";
import { random, read, touch, visit, write } from "./visit.js";

const KEPT = "dropoff.queue";
const BATCH = "/v1/batch";
const TOGETHER = 40;
const MOST = 200;
// All requests that outlive their page carry at most 64 KB together.
const LIVES = 16000;

/** Whether there is consent: without it nothing is stored or sent. */
export let active = false;
let queue = [];
let sending = [];
let delivering = Promise.resolve();
let timer;
let failures = 0;
let healthy = false;
// A page view waits for its load time, which it carries.
let pace = 3000;

/** Begin to send, with what an earlier page could not deliver. */
export function open() {
  active = true;
  restore();
}

/** Stop sending and forget what waits. */
export function shut() {
  active = false;
  queue = [];
  write(KEPT, null);
}

/** Send at the usual pace from now on: the page has been loaded. */
export function hurry() {
  pace = 1000;
  clearTimeout(timer);
  timer = 0;
  schedule(100);
}

/** Queue a call in Segment's format and return it. */
export function push(call) {
  if (!active) return null;
  const { visitor, user, session, at, source, campaign } = touch();
  // Of an address no more than the id of an ad's click: the rest may be about a person.
  const [search] = location.search.match(/\b\w*cl(k|ick_?)?id=[^&]*/) || [];
  const message = {
    messageId: random(),
    anonymousId: visitor,
    userId: user,
    timestamp: new Date(at).toISOString(),
    context: { sessionId: session, source, campaign: { name: campaign }, page: { search } },
    ...call,
    properties: { ...call.properties, consent: true },
  };
  queue.push(message);
  queue = queue.slice(-MOST);
  schedule(pace);
  return message;
}

/** Post a body; as plain text and without a header, so that the browser asks nobody for permission first. */
export function post(path, content, more) {
  const body = JSON.stringify(content);
  return fetch(options.host + path, { method: "POST", body, keepalive: body.length < LIVES, ...more });
}

/** Send what waits; resolves once the server has it, or has failed. */
export function flush() {
  if (sending.length) return delivering.then(() => (failures ? undefined : flush()));
  clearTimeout(timer);
  timer = 0;
  sending = queue.splice(0, TOGETHER);
  if (sending.length) delivering = deliver();
  return delivering;
}

/** Send what waits while the page goes away; what may not arrive is also kept for the next page. */
export function leave() {
  if (!active) return;
  const rest = queue;
  queue = [];
  const sent = !rest.length || navigator.sendBeacon(options.host + keyed(BATCH), JSON.stringify(pack(rest)));
  // The server knows a message that it gets twice by its id.
  const doubtful = sent && healthy ? sending : [...sending, ...rest];
  if (doubtful.length) write(KEPT, [...(read(KEPT) || []), ...doubtful].slice(-MOST));
}

/** Queue again what a page has left behind. */
export function restore() {
  const left = active && read(KEPT);
  if (!left) return;
  write(KEPT, null);
  queue = [...left, ...queue].slice(-MOST);
  schedule(pace);
}

/** Name the key in an address that is only written to. */
export const keyed = (path) => `${path}?key=${encodeURIComponent(options.key)}`;

const pack = (batch) => ({
  batch,
  context: { userAgent: navigator.userAgent, channel: options.channel },
  sentAt: new Date().toISOString(),
});

function schedule(milliseconds) {
  if (active && queue.length && !timer) timer = setTimeout(flush, milliseconds);
}

async function deliver() {
  let status = 0;
  try {
    status = (await post(keyed(BATCH), pack(sending))).status;
  } catch {
    // The server cannot be reached: the same as if it said that it cannot take them now.
  }
  const again = !status || status === 429 || status >= 500;
  if (again && active) queue = [...sending, ...queue].slice(-MOST);
  sending = [];
  healthy = status === 200;
  failures = again ? failures + 1 : 0;
  schedule(again ? Math.min(2 ** failures, 60) * 500 * (1 + Math.random()) : pace);
}
