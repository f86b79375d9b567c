// The basket and the order, in the browser's own storage.
import { GOODS } from "./goods.js";

const read = (key, otherwise) => JSON.parse(localStorage.getItem(`shop.${key}`) || "null") ?? otherwise;
const write = (key, value) => localStorage.setItem(`shop.${key}`, JSON.stringify(value));

export const CODE = "TODAY10";
export const DELIVERY = 8.95;
export const DELIVERY_DAYS = 4;

export const lines = () => Object.entries(read("basket", {}));
export const items = () => lines().reduce((sum, [, count]) => sum + count, 0);
export const hasCode = () => read("code", false);
export const basketValue = () => round(lines().reduce((sum, [id, count]) => sum + count * GOODS[id].price, 0));
export const discount = () => (hasCode() ? round(basketValue() * 0.1) : 0);
export const delivery = () => (read("free", false) ? 0 : DELIVERY);
export const total = () => round(basketValue() - discount() + delivery());
export const money = (value) => `€${value.toFixed(2)}`;

/** Put so many more of a product into the basket, or take them out. */
export function change(id, by) {
  const basket = read("basket", {});
  const count = (basket[id] || 0) + by;
  if (count > 0) basket[id] = count;
  else delete basket[id];
  write("basket", basket);
}

/** Take a discount code, and say whether it counts. */
export function tryCode(code) {
  const accepted = code.trim().toUpperCase() === CODE;
  write("code", accepted);
  return accepted;
}

/** Deliver this order free of charge. */
export const deliverFree = () => write("free", true);

/** Turn the basket into an order. */
export function place() {
  write("order", { revenue: total(), items: items() });
  for (const key of ["basket", "code", "free"]) localStorage.removeItem(`shop.${key}`);
}

/** Return the order that has just been placed, once. */
export function takeOrder() {
  const order = read("order", null);
  localStorage.removeItem("shop.order");
  return order;
}

/** What the visitor said about being measured; null before any answer. */
export const consent = () => read("consent", null);
export const setConsent = (agreed) => write("consent", agreed);

const round = (value) => Math.round(value * 100) / 100;
