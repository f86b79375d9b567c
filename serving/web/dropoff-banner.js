/* 08ed3ab4 */
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
`;function S({intervention:f,title:c,message:x},s,m,u){let{action:b="OK",close:h="Close",actions:k={},theme:v="auto"}=u,o=document.createElement("dropoff-banner");o.dataset.dropoffIgnore="",o.dir=getComputedStyle(document.documentElement).direction;let d=o.attachShadow({mode:"open"}),r=new CSSStyleSheet;r.replaceSync(y),d.adoptedStyleSheets=[r];let n=(e,i,g)=>e.appendChild(Object.assign(document.createElement(i),g)),t=n(d,"section",{className:v,ariaLabel:c}),p=n(t,"div",{role:"status"}),a=e=>{s(e),o.remove(),removeEventListener("keydown",l),m()},l=({key:e,defaultPrevented:i})=>e==="Escape"&&!i&&!document.querySelector(":modal")&&a("dismissed");n(t,"button",{type:"button",textContent:b,onclick:()=>{a("clicked");let e=k[f];typeof e=="function"?e():e&&location.assign(e)}}),n(t,"button",{type:"button",className:"close",textContent:"×",ariaLabel:h,onclick:()=>a("dismissed")}),addEventListener("keydown",l),document.body.append(o),setTimeout(()=>{n(p,"h2",{textContent:c}),n(p,"p",{textContent:x}),s("shown")},50)}export{S as show};
