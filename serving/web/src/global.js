import { dropoff } from "./index.js";
import { configure, options } from "./options.js";

const script = document.currentScript;
const early = Array.isArray(window.dropoff) ? window.dropoff : [];

/** Read an option that is written as an attribute of the script. */
function value(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

window.dropoff = dropoff;
// The service puts its journey's settings before the script.
configure({
  ...window.dropoffServed,
  host: script?.src ? new URL(script.src).origin : "",
  // A script of another origin does not know its own address when it imports.
  load: () => import(`${options.host}/dropoff-banner.js`),
});
const written = Object.entries(script?.dataset || {});
if (written.length) dropoff.init(Object.fromEntries(written.map(([name, text]) => [name, value(text)])));
// Calls that were made before this script had come: dropoff = [["track", "add_to_cart"], ...].
dropoff.push = ([call, ...given]) => dropoff[call](...given);
early.forEach(dropoff.push);
