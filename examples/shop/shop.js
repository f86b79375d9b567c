// Every page of the shop: its frame, and then what the page itself shows.
import * as basket from "./basket.js";
import { CATEGORIES, GOODS, draw } from "./goods.js";
import { address, payment } from "./forms.js";

// dropoff.js may come later than this script: until then its calls wait in a list.
window.dropoff ||= [];
const track = (event, properties) => window.dropoff.push(["track", event, properties]);
const asked = new URLSearchParams(location.search);
const find = (selector) => document.querySelector(selector);
const { money } = basket;

/** Let an element tell dropoff of an event with these properties. */
function tell(element, event, properties = {}) {
  element.dataset.dropoffProps = JSON.stringify(properties);
  element.dataset.dropoffEvent = event;
}

const sums = () => ({ basket_value: basket.basketValue(), items: basket.items() });

const tile = (id) => {
  const { name, price, rating, stock } = GOODS[id];
  return `<li class="tile">${draw(id)}<div><h3><a href="product.html?id=${id}">${name}</a></h3>
    <p class="price">${money(price)}</p><small><span class="stars" aria-hidden="true">★</span>
    ${rating} of 5${stock ? "" : " · sold out"}</small></div></li>`;
};

const PAGES = {
  home() {
    find("#hero").innerHTML = draw("arc");
    find("#favourites").innerHTML = ["throw", "lantern", "vase", "cup"].map(tile).join("");
  },

  category() {
    const category = asked.get("c");
    const words = asked.get("q")?.trim().toLowerCase();
    const fits = (id) => (category ? GOODS[id].category === category : GOODS[id].name.toLowerCase().includes(words || ""));
    const found = Object.keys(GOODS).filter(fits);
    find("h1").textContent = CATEGORIES[category] || (words ? `${found.length} found` : "Everything");
    find("#found").innerHTML = found.map(tile).join("");
    find("#none").hidden = found.length > 0;
    // Not the words themselves: what people type stays with them.
    if (words) tell(find("main"), "search", { results: found.length });
    else tell(find("main"), "view_category", { category: category || "all" });
  },

  product() {
    const id = GOODS[asked.get("id")] ? asked.get("id") : "lantern";
    const { name, price, rating, reviews, stock } = GOODS[id];
    document.title = `${name} · Halm`;
    find("h1").textContent = name;
    find("#price").textContent = money(price);
    find("#rating").innerHTML = `<span class="stars" aria-hidden="true">★</span> ${rating} of 5, ${reviews} reviews`;
    find(".picture").innerHTML = draw(id);
    find("#stock").textContent = stock ? "In stock" : "Sold out";
    const buy = find("#buy");
    buy.hidden = !stock;
    const add = () => {
      const more = { basket_value: basket.basketValue() + price, items: basket.items() + 1 };
      tell(buy, "add_to_cart", { product: id, price, ...more });
    };
    add();
    buy.addEventListener("click", () => {
      basket.change(id, 1);
      frame();
      add();
      find("#added").hidden = false;
    });
    find(".picture").addEventListener("click", ({ currentTarget: one }) => one.setAttribute("aria-expanded", one.ariaExpanded !== "true"));
    for (const element of document.querySelectorAll("[data-dropoff-event]:not(#buy)")) {
      element.dataset.dropoffProps = JSON.stringify({ product: id });
    }
    tell(find("main"), "view_product", { product: id, price, rating, review_count: reviews, in_stock: stock });
  },

  cart() {
    const show = () => {
      find("#empty").hidden = basket.items() > 0;
      find("#full").hidden = !basket.items();
      find(".lines").innerHTML = basket
        .lines()
        .map(
          ([id, count]) => `<li>${draw(id)}<div><h3><a href="product.html?id=${id}">${GOODS[id].name}</a></h3>
            <div class="count"><button class="quiet step" data-by="-1" data-id="${id}" aria-label="One less">−</button>
            <span>${count}</span><button class="quiet step" data-by="1" data-id="${id}" aria-label="One more">+</button></div></div>
            <p class="price">${money(count * GOODS[id].price)}</p></li>`,
        )
        .join("");
      find(".sums").innerHTML = summary(["Goods", basket.basketValue()], ["Discount", -basket.discount()]);
      tell(find("#on"), "begin_checkout", sums());
      frame();
    };
    find(".lines").addEventListener("click", ({ target }) => {
      const { id, by } = target.dataset;
      if (!id) return;
      basket.change(id, +by);
      track(by > 0 ? "add_to_cart" : "remove_from_cart", { product: id, ...sums() });
      show();
      (find(`[data-id="${id}"][data-by="${by}"]`) || find("h1")).focus();
    });
    find("#code").addEventListener("submit", (event) => {
      event.preventDefault();
      const accepted = basket.tryCode(find("#code input").value);
      track("try_coupon", { accepted: +accepted });
      find("#answer").textContent = accepted ? "10 % off." : "This code is not valid.";
      show();
    });
    show();
    tell(find("main"), "view_cart", sums());
  },

  checkout() {
    tell(find("form.fields"), "submit_address", { basket_value: basket.basketValue() });
    address(find("form.fields"), () => location.assign("payment.html"));
  },

  payment() {
    const show = () => {
      find(".sums").innerHTML = summary(
        ["Goods", basket.basketValue()],
        ["Discount", -basket.discount()],
        ["Delivery, 4 days", basket.delivery()],
      );
    };
    show();
    addEventListener("shop:changed", show);
    const { DELIVERY_DAYS: days } = basket;
    tell(find("main"), "view_payment", { method_count: document.querySelectorAll("[name=way]").length });
    tell(find(".panel"), "view_shipping", { shipping: basket.delivery(), delivery_days: days, basket_value: basket.basketValue() });
    tell(find("#pay"), "submit_payment", { basket_value: basket.basketValue() });
    payment(find("#pay"), asked.get("way"), {
      refused: (code) => track("payment_failed", { code }),
      paid: () => {
        basket.place();
        location.assign("thanks.html");
      },
    });
  },

  thanks() {
    const order = basket.takeOrder();
    if (order) tell(find("main"), "purchase", order);
    find("#paid").textContent = order ? `${money(order.revenue)} for ${order.items} item${order.items > 1 ? "s" : ""}.` : "";
  },
};

const summary = (...rows) =>
  rows
    .filter(([name, value]) => value || name !== "Discount")
    .map(([name, value]) => `<dt>${name}</dt><dd>${value ? money(value) : "free"}</dd>`)
    .join("") +
  (rows.length > 2 ? `<dt class="total">Total</dt><dd class="total">${money(basket.total())}</dd>` : "");

/** Show how much is in the basket, on every page. */
function frame() {
  const count = basket.items();
  find(".basket").textContent = count ? `Basket (${count})` : "Basket";
}

// What the shop does when a visitor takes advice up.
const DOES = {
  other_payment: () => choose("invoice"),
  free_delivery: () => change(basket.deliverFree),
  basket_discount: () => change(() => basket.tryCode(basket.CODE)),
  form_assistant: () => find("form.fields input:invalid")?.focus(),
  trust_panel: () => location.assign("returns.html"),
  delivery_promise: () => location.assign("returns.html"),
  data_promise: () => location.assign("privacy.html"),
};

function choose(way) {
  const radio = find(`[name=way][value=${way}]`);
  radio ? radio.click() : location.assign(`payment.html?way=${way}`);
  radio?.focus();
}

function change(what) {
  what();
  dispatchEvent(new Event("shop:changed"));
}

addEventListener("dropoff:clicked", ({ detail }) => DOES[detail.recommendation.intervention]?.());

/** Ask once whether the visit may be measured; nothing is before the answer. */
function askConsent() {
  const bar = find(".consent");
  bar.hidden = basket.consent() !== null;
  bar.addEventListener("click", ({ target }) => {
    if (!target.value) return;
    basket.setConsent(target.value === "yes");
    bar.hidden = true;
    window.dropoff.push(["consent", basket.consent()]);
  });
}

find("header").insertAdjacentHTML(
  "beforeend",
  `<a class="skip" href="#content">Skip to the content</a><div class="top"><a class="name" href="index.html">Halm</a>
  <nav aria-label="Shop">${Object.entries(CATEGORIES)
    .map(([key, name]) => `<a href="category.html?c=${key}"${asked.get("c") === key ? ' aria-current="page"' : ""}>${name}</a>`)
    .join("")}<a href="sale.html">Sale</a></nav>
  <form role="search" action="category.html"><input type="search" name="q" aria-label="Search the shop" placeholder="Search"></form>
  <a class="basket" href="cart.html">Basket</a></div>`,
);
find("footer").insertAdjacentHTML(
  "beforeend",
  `<div><span>Halm is an example: nothing is sold here.</span><a href="returns.html">Returns</a>
  <a href="privacy.html">Your data</a></div>`,
);
document.body.insertAdjacentHTML(
  "beforeend",
  `<div class="consent" role="region" aria-label="Consent"><p>May we measure this visit, to see where shopping here is hard?</p>
  <button class="quiet" value="no">No</button><button value="yes">Yes</button></div>`,
);
frame();
askConsent();
PAGES[document.body.dataset.page]?.();
