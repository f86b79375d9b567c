import { refuse } from "./forms.js";
import { ignored, on, track } from "./track.js";

const HOOK = "[data-dropoff-event]";
const FIELDS = "input,select,textarea";
const ACTS = "a,button,summary,[role=button]";
const seen = new WeakSet();

/** Send the events that a page declares in its markup: at a click, a submit, a change, or when it comes into view. */
export function watchHooks() {
  on("click submit change", ({ type, target }) => {
    const element = target.closest?.(HOOK);
    if (element && trigger(element) === type) send(element);
  });
  const viewed = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      viewed.unobserve(target);
      send(target);
    }
  });
  const look = () => {
    for (const element of document.querySelectorAll(HOOK)) {
      if (trigger(element) !== "view" || seen.has(element)) continue;
      seen.add(element);
      viewed.observe(element);
    }
  };
  look();
  new MutationObserver((changes) => {
    look();
    for (const { target, oldValue, type } of changes) {
      if (type === "attributes" && target.ariaInvalid === "true" && oldValue !== "true") refuse(target);
    }
  }).observe(document, { subtree: true, childList: true, attributeFilter: ["aria-invalid", "data-dropoff-event"], attributeOldValue: true });
}

function trigger(element) {
  const usual = element.matches("form") ? "submit" : element.matches(FIELDS) ? "change" : element.matches(ACTS) && "click";
  return element.dataset.dropoffOn || usual || "view";
}

function send(element) {
  const { dropoffEvent, dropoffProps } = element.dataset;
  if (!ignored(element)) track(dropoffEvent, dropoffProps ? JSON.parse(dropoffProps) : {});
}
