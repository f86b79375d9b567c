/* 138c06268b5a */
var v=`
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
`;function S({intervention:f,title:s,message:l},c,u,x){let{action:b="OK",close:m="Close",actions:h={},theme:g="auto"}=x,t=document.createElement("dropoff-banner");t.dataset.dropoffIgnore="",t.dir=getComputedStyle(document.documentElement).direction;let a=t.attachShadow({mode:"open"}),r=new CSSStyleSheet;r.replaceSync(v),a.adoptedStyleSheets=[r];let e=(o,k,y)=>o.appendChild(Object.assign(document.createElement(k),y)),n=e(a,"section",{className:g,ariaLabel:s}),d=e(n,"div",{role:"status"}),i=o=>{c(o),t.remove(),removeEventListener("keydown",p),u()},p=o=>o.key==="Escape"&&!o.defaultPrevented&&i("dismissed");e(n,"button",{type:"button",textContent:b,onclick:()=>{i("clicked");let o=h[f];typeof o=="function"?o():o&&location.assign(o)}}),e(n,"button",{type:"button",className:"close",textContent:"×",ariaLabel:m,onclick:()=>i("dismissed")}),addEventListener("keydown",p),document.body.append(t),setTimeout(()=>{e(d,"h2",{textContent:s}),e(d,"p",{textContent:l}),c("shown")},50)}export{S as show};
