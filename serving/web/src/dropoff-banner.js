const STYLE = `
:host{all:initial}
section{position:fixed;z-index:2147483000;inset-block-end:16px;inset-inline-end:16px;box-sizing:border-box;
width:min(360px,calc(100vw - 32px));padding:18px 20px;border:1px solid #0002;border-radius:14px;
background:#fff;color:#1c2430;font:15px/1.5 system-ui,sans-serif;box-shadow:0 10px 34px #0003;animation:in .25s ease-out}
h2{margin:0 32px 4px 0;margin-inline:0 32px;font-size:16px}
p{margin:0 0 14px}
button{font:inherit;font-weight:600;min-height:44px;padding:0 18px;border:0;border-radius:10px;cursor:pointer;
background:var(--dropoff-accent,#1f4fd8);color:var(--dropoff-on-accent,#fff)}
button.close{position:absolute;inset-block-start:6px;inset-inline-end:6px;min-width:44px;padding:0;background:none;color:inherit;font-size:20px}
button:focus-visible{outline:3px solid currentColor;outline-offset:2px}
button:not(.close):focus-visible{outline-color:var(--dropoff-accent,#1f4fd8)}
@keyframes in{from{opacity:0;transform:translateY(16px)}}
@media (prefers-reduced-motion:reduce){section{animation:none}}
@media (prefers-color-scheme:dark){section.auto{background:#1b222d;color:#eef2f7;border-color:#fff3}
section.auto button:not(.close){background:var(--dropoff-accent,#8fb0ff);color:var(--dropoff-on-accent,#0d1526)}}
`;

/** Show a recommendation in a corner of the page, without taking the focus. It is loaded only where it is needed. */
export function show({ intervention, title, message }, report, onClosed, options) {
  const { action = "OK", close = "Close", actions = {}, theme = "auto" } = options;
  const host = document.createElement("dropoff-banner");
  host.dataset.dropoffIgnore = "";
  host.dir = getComputedStyle(document.documentElement).direction;
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLE);
  root.adoptedStyleSheets = [sheet];

  const add = (parent, kind, values) => parent.appendChild(Object.assign(document.createElement(kind), values));
  const panel = add(root, "section", { className: theme, ariaLabel: title });
  const words = add(panel, "div", { role: "status" });
  const end = (outcome) => {
    report(outcome);
    host.remove();
    removeEventListener("keydown", onKey);
    onClosed();
  };
  const onKey = (event) => event.key === "Escape" && !event.defaultPrevented && end("dismissed");
  const act = () => {
    end("clicked");
    const then = actions[intervention];
    typeof then === "function" ? then() : then && location.assign(then);
  };
  add(panel, "button", { type: "button", textContent: action, onclick: act });
  add(panel, "button", { type: "button", className: "close", textContent: "×", ariaLabel: close, onclick: () => end("dismissed") });
  addEventListener("keydown", onKey);
  document.body.append(host);
  // A screen reader says what changes in a place that it knows.
  setTimeout(() => {
    add(words, "h2", { textContent: title });
    add(words, "p", { textContent: message });
    report("shown");
  }, 50);
}
