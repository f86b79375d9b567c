/* Draws the charts that the page describes as JSON, and opens the menu on a phone. What a chart shows, texts of its
   values included, was decided where the page was made: here are only colours, axis labels and sizes. */
(() => {
  "use strict";
  const root = document.documentElement;
  root.classList.add("js");
  const wants = (query) => window.matchMedia(query);
  const still = wants("(prefers-reduced-motion: reduce)");
  const contrast = wants("(prefers-contrast: more)");
  const dark = wants("(prefers-color-scheme: dark)");
  const printed = wants("print");

  const trim = (number, digits) => Number(number.toFixed(digits)).toLocaleString("en");
  const short = (value) => {
    const size = Math.abs(value);
    if (size >= 1e6) return trim(value / 1e6, 1) + "M";
    if (size >= 1e4) return trim(value / 1e3, 1) + "k";
    return trim(value, size >= 100 ? 0 : size >= 1 ? 1 : 3);
  };
  const duration = (seconds) => {
    const size = Math.abs(seconds);
    for (const [unit, length] of [["d", 86400], ["h", 3600], ["min", 60]]) {
      if (size >= length) return trim(seconds / length, 1) + " " + unit;
    }
    return trim(seconds, 1) + " s";
  };
  const AXES = {
    share: (value) => trim(100 * value, 1) + "%",
    seconds: duration,
    count: short, money: short, number: short,
  };

  const escaped = (text) => {
    const holder = document.createElement("span");
    holder.textContent = text;
    return holder.innerHTML;
  };
  const line = (item) => {
    const text = item.data && item.data.text;
    if (text === undefined) return "";
    const name = item.seriesName && !item.seriesName.startsWith("series") ? escaped(item.seriesName) + " " : "";
    return "<br>" + (item.marker || "") + name + "<b>" + escaped(text) + "</b>";
  };
  const TOOLTIPS = {
    axis: (items) => {
      const list = [].concat(items).filter((item) => item.data && item.data.text !== undefined);
      if (!list.length) return "";
      return escaped(list[0].data.name || list[0].name) + list.map(line).join("");
    },
    item: (item) => (item.data && item.data.name !== undefined && item.data.text !== undefined
      ? escaped(item.data.name) + "<br><b>" + escaped(item.data.text) + "</b>" : escaped(item.name || "")),
  };

  /* An interval as a line with two ends, on its bar's place among the bars of its group. */
  const whisker = (params, api) => {
    const [place, low, high, bar, bars, lying] = [0, 1, 2, 3, 4, 5].map((index) => api.value(index));
    if (!Number.isFinite(low) || !Number.isFinite(high)) return undefined;
    const layout = api.barLayout({ count: bars, barGap: "10%", barCategoryGap: "35%", barMaxWidth: 46 })[bar];
    const at = (value) => api.coord(lying ? [value, place] : [place, value]);
    const [from, to] = [at(low), at(high)];
    const cap = Math.min(5, layout.width / 4);
    const across = lying ? 1 : 0;
    const middle = from[across] + layout.offsetCenter;
    const shape = (a, b) => ({ type: "line", shape: { x1: a[0], y1: a[1], x2: b[0], y2: b[1] }, style: { stroke: api.visual("color"), lineWidth: 1.5 } });
    const point = (along, aside) => (lying ? [along, middle + aside] : [middle + aside, along]);
    const [a, b] = lying ? [from[0], to[0]] : [from[1], to[1]];
    return { type: "group", silent: true, children: [
      shape(point(a, 0), point(b, 0)), shape(point(a, -cap), point(a, cap)), shape(point(b, -cap), point(b, cap)),
    ] };
  };

  /* What JSON cannot hold: colours of the scheme, and functions. */
  const finish = (value, key, styles) => {
    if (typeof value === "string") {
      if (value.startsWith("var(")) return styles.getPropertyValue(value.slice(4, -1)).trim();
      if (key === "formatter" && value.startsWith("axis:")) return AXES[value.slice(5)];
      if (key === "formatter" && value.startsWith("tooltip:")) return TOOLTIPS[value.slice(8)];
      if (key === "renderItem") return whisker;
      return value;
    }
    if (Array.isArray(value)) return value.map((one) => finish(one, "", styles));
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, finish(one, name, styles)]));
    }
    return value;
  };

  /* Names under upright bars stand slanted where they would touch. */
  const fit = (option, width) => {
    const axis = option.xAxis;
    if (axis && axis.type === "category" && axis.data && axis.axisLabel.interval === 0) {
      const longest = Math.max(...axis.data.map((name) => String(name).length));
      const room = (width - 60) / axis.data.length;
      if (longest * 6.5 > room) axis.axisLabel = { ...axis.axisLabel, rotate: room < 26 ? 60 : 35 };
    }
    return option;
  };

  const drawn = new Map();
  const draw = (box) => {
    const described = JSON.parse(document.getElementById(box.dataset.chart).textContent);
    const styles = getComputedStyle(root);
    if (!drawn.has(box)) drawn.set(box, window.echarts.init(box, null, { renderer: "svg" }));
    const option = fit(finish(described, "", styles), box.clientWidth);
    option.animation = !still.matches && !printed.matches;
    option.animationDuration = 350;
    option.textStyle = { fontFamily: styles.getPropertyValue("--font"), color: styles.getPropertyValue("--text").trim() };
    option.aria = { ...option.aria, decal: { show: contrast.matches } };
    drawn.get(box).setOption(option, true);
  };

  const ready = () => {
    const boxes = [...document.querySelectorAll("[data-chart]")];
    const drawAll = () => boxes.filter((box) => !drawn.has(box)).forEach(draw);
    if (window.echarts) {
      const seen = new IntersectionObserver((entries) => {
        for (const entry of entries) {
          if (!entry.isIntersecting) continue;
          seen.unobserve(entry.target);
          if (!drawn.has(entry.target)) draw(entry.target);
        }
      }, { rootMargin: "400px" });
      boxes.forEach((box) => seen.observe(box));
      const sizes = new ResizeObserver((entries) => {
        for (const entry of entries) {
          const chart = drawn.get(entry.target);
          if (chart && Math.abs(chart.getWidth() - entry.target.clientWidth) > 1) chart.resize();
        }
      });
      boxes.forEach((box) => sizes.observe(box));
      for (const query of [dark, contrast, still]) {
        query.addEventListener("change", () => [...drawn.keys()].forEach(draw));
      }
    }
    const opened = [];
    window.addEventListener("beforeprint", () => {
      if (window.echarts) { drawAll(); drawn.forEach((chart, box) => { draw(box); chart.resize(); }); }
      document.querySelectorAll(".more > details:not([open])").forEach((one) => { one.open = true; opened.push(one); });
    });
    window.addEventListener("afterprint", () => {
      opened.splice(0).forEach((one) => { one.open = false; });
      if (window.echarts) [...drawn.keys()].forEach(draw);
    });

    const menu = document.querySelector(".menu");
    const nav = document.getElementById("nav");
    if (menu && nav) {
      const show = (open) => { nav.classList.toggle("open", open); menu.setAttribute("aria-expanded", String(open)); };
      menu.addEventListener("click", () => show(!nav.classList.contains("open")));
      nav.addEventListener("click", (event) => { if (event.target.closest("a")) show(false); });
    }
    document.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      const panel = document.querySelector(".filters details[open]");
      if (panel) { panel.open = false; panel.querySelector("summary").focus(); }
    });
    document.addEventListener("click", (event) => {
      const panel = document.querySelector(".filters details[open]");
      if (panel && !panel.contains(event.target)) panel.open = false;
    });
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", ready);
  else ready();
})();
