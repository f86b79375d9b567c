/* 242a62a6 */
var y=`
:host{all:initial}
section{--back:#fff;--ink:#1c2430;--line:#0002;--accent:var(--dropoff-accent,#1f4fd8);--on-accent:var(--dropoff-on-accent,#fff);
position:fixed;z-index:2147483000;inset-block-end:16px;inset-inline-end:16px;box-sizing:border-box;
width:min(360px,calc(100vw - 32px));max-height:calc(100vh - 32px);overflow:auto;padding:18px 20px;
border:1px solid var(--line);border-radius:14px;background:var(--back);color:var(--ink);
font:15px/1.5 system-ui,sans-serif;box-shadow:0 10px 34px #0003;animation:in .25s ease-out}
h2{margin:0 0 4px;margin-inline-end:32px;font-size:16px}
p{margin:0 0 14px}
button{font:inherit;font-weight:600;min-height:44px;padding:0 18px;border:0;border-radius:10px;cursor:pointer;
background:var(--accent);color:var(--on-accent)}
.close{position:absolute;inset-block-start:6px;inset-inline-end:6px;min-width:44px;padding:0;background:none;color:inherit;font-size:20px}
button:focus-visible{outline:3px solid var(--accent);outline-offset:2px}
.close:focus-visible{outline-offset:-4px}
@keyframes in{from{opacity:0;transform:translateY(16px)}}
@media (prefers-reduced-motion:reduce){section{animation:none}}
@media (prefers-color-scheme:dark){.auto{--back:#1b222d;--ink:#eef2f7;--line:#fff3;
--accent:var(--dropoff-accent-dark,#8fb0ff);--on-accent:var(--dropoff-on-accent-dark,#0d1526)}}
`;function C({intervention:c,title:o,message:m},r,u,x){let{action:b="OK",close:h="Close",actions:k={},theme:v=S()}=x,n=document.createElement("dropoff-banner");n.dataset.dropoffIgnore="",n.dir=getComputedStyle(document.documentElement).direction;let d=n.attachShadow({mode:"open"}),l=new CSSStyleSheet;l.replaceSync(y),d.adoptedStyleSheets=[l];let t=(e,s,g)=>e.appendChild(Object.assign(document.createElement(s),g)),a=t(d,"section",{className:v,ariaLabel:o}),p=t(a,"div",{role:"status"}),i=e=>{r(e),n.remove(),removeEventListener("keydown",f),u()},f=({key:e,defaultPrevented:s})=>e==="Escape"&&!s&&!document.querySelector(":modal")&&i("dismissed");t(a,"button",{type:"button",textContent:b,onclick:()=>{i("clicked");let e=k[c];typeof e=="function"?e():e&&location.assign(e)}}),t(a,"button",{type:"button",className:"close",textContent:"×",ariaLabel:h,onclick:()=>i("dismissed")}),addEventListener("keydown",f),document.body.append(n),setTimeout(()=>{t(p,"h2",{textContent:o}),t(p,"p",{textContent:m}),r("shown")},50)}function S(){let{colorScheme:c}=getComputedStyle(document.documentElement),o=document.querySelector("meta[name=color-scheme]")?.content;return/dark/.test(c+o)?"auto":"light"}export{C as show};
