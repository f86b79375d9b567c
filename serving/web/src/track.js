import { ask } from "./advice.js";
import { options } from "./options.js";
import { push } from "./send.js";

/** Send an event of the journey; one that is a friction is also a reason to ask for advice. */
export function track(event, properties = {}, kind = event) {
  const message = push({ type: "track", event, properties });
  if (message && options.frictions.includes(kind)) ask();
  return message;
}

/** Send what the snippet has noticed by itself, under the name that the journey has for it. */
export function signal(name, properties) {
  const event = options.names[name] ?? name;
  return event && track(event, properties, name);
}

/** Listen from the outermost place, before anything on the page can stop the event. */
export const on = (types, listener, target = window) =>
  types.split(" ").forEach((type) => target.addEventListener(type, listener, { capture: true, passive: true }));

/** Whether a page has asked to leave this part of it alone. */
export const ignored = (element) => !element.closest || element.closest("[data-dropoff-ignore]");
