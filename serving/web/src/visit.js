import { options } from "./options.js";

const KEY = "dropoff";
const SEARCH = /google|bing|duckduckgo|yahoo|ecosia|yandex/;
const SOCIAL = /facebook|instagram|tiktok|pinterest|reddit|linkedin|youtube|^(t\.co|x\.com)$/;

/** Who visits and in which session; null until there is consent. */
export let visit = null;

/** Return an id of 128 random bits; unlike randomUUID this works on pages without TLS too. */
export const random = () => crypto.getRandomValues(new Uint32Array(4)).join("-");

/** Return what is stored; a browser that blocks its storage gets a cookie instead. */
export function read(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    const found = document.cookie.match(`(?:^|; )${key}=([^;]*)`);
    return found && JSON.parse(decodeURIComponent(found[1]));
  }
}

/** Store a value; null takes it away. */
export function write(key, value) {
  const text = JSON.stringify(value);
  try {
    value ? localStorage.setItem(key, text) : localStorage.removeItem(key);
  } catch {
    // A queue is too long for a cookie, and stays in memory.
    const seconds = value ? 31536000 : 0;
    if (key === KEY) document.cookie = `${key}=${encodeURIComponent(text)};path=/;max-age=${seconds};samesite=lax`;
  }
}

/** Whether the browser asks not to be tracked, which no consent of a page overrules. */
export const refused = () => navigator.globalPrivacyControl || navigator.doNotTrack === "1";

/** Whether an earlier page was given consent. */
export const known = () => read(KEY);

/** Return the visit of an event of now; a silence longer than the timeout starts another session. */
export function touch() {
  const at = Date.now();
  const last = read(KEY) || visit || {};
  visit = { ...last, visitor: options.visitorId || last.visitor || random() };
  if (!(at - last.at <= options.timeout * 1000)) Object.assign(visit, { session: random(), ended: 0 }, origin());
  // No two events share a moment, so that their order is kept.
  visit.at = at <= last.at && last.at - at < 1000 ? last.at + 1 : at;
  write(KEY, visit);
  return visit;
}

/** Change what is known of the visit, such as its user. */
export function change(values) {
  write(KEY, (visit = { ...touch(), ...values }));
}

/** Become another visitor; the entry stays, as its end would end the consent in all tabs. */
export function renew() {
  write(KEY, { visitor: random() });
  touch();
}

/** Forget the visitor. */
export function forget() {
  write(KEY, (visit = null));
}

/** Return where a session came from, in the words that channels are compared in. */
function origin() {
  const query = new URLSearchParams(location.search);
  const medium = query.get("utm_medium") || "";
  const from = document.referrer ? new URL(document.referrer).host : "";
  const site = from === location.host ? "" : from;
  const paid = /cpc|ppc|paid|ads/.test(medium) || query.has("gclid");
  const found = SEARCH.test(site) ? "search" : SOCIAL.test(site) ? "social" : site ? "referral" : "direct";
  return {
    source: options.source || (/mail/.test(medium) ? "email" : paid ? "ads" : query.get("utm_source") || found),
    campaign: query.get("utm_campaign") || undefined,
  };
}
