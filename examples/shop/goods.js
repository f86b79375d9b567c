// What the shop sells, and a drawing of each.
export const GOODS = {
  arc: { name: "Arc floor lamp", category: "lamps", price: 129, rating: 4.6, reviews: 84, stock: 1 },
  lantern: { name: "Paper lantern", category: "lamps", price: 39, rating: 4.3, reviews: 151, stock: 1 },
  desk: { name: "Desk lamp", category: "lamps", price: 59, rating: 3.1, reviews: 22, stock: 1 },
  throw: { name: "Linen throw", category: "textiles", price: 79, rating: 4.7, reviews: 60, stock: 1 },
  cushion: { name: "Wool cushion", category: "textiles", price: 34, rating: 4.2, reviews: 47, stock: 1 },
  vase: { name: "Ribbed vase", category: "ceramics", price: 45, rating: 4.4, reviews: 33, stock: 1 },
  bowl: { name: "Stoneware bowl", category: "ceramics", price: 28, rating: 4.8, reviews: 97, stock: 0 },
  cup: { name: "Two cups", category: "ceramics", price: 22, rating: 4.5, reviews: 71, stock: 1 },
};

export const CATEGORIES = { lamps: "Lamps", textiles: "Textiles", ceramics: "Ceramics" };

const SHAPES = {
  arc: `<path d="M92 200V84q0-44 54-44 48 0 52 38" fill="none" stroke="#2c3b38" stroke-width="5"/><path d="M166 108a32 32 0 0 1 64 0z" fill="#d59b4e"/><ellipse cx="92" cy="202" rx="34" ry="7" fill="#2c3b38"/>`,
  lantern: `<path d="M150 14v40" stroke="#4b4034" stroke-width="3"/><ellipse cx="150" cy="122" rx="66" ry="70" fill="#fdf3df"/><path d="M90 92h120M84 122h132M90 152h120" stroke="#e2cda4" stroke-width="3"/>`,
  desk: `<path d="M96 202h84M138 202l-30-74 64-52" fill="none" stroke="#33424f" stroke-width="6"/><path d="M150 62l50 4-22 46z" fill="#bd5b45"/>`,
  throw: `<path d="M78 54h144v124q-36 16-72 0t-72 0z" fill="#c9b79c"/><path d="M78 92h144M78 130h144" stroke="#a58f70" stroke-width="6"/><path d="M90 184v22m20-14v22m20-20v22m20-22v22m20-24v22m20-18v22m20-28v22" stroke="#a58f70" stroke-width="3"/>`,
  cushion: `<path d="M84 66q66-16 132 0 14 52 0 104-66 16-132 0-14-52 0-104z" fill="#7d8f74"/><path d="M112 84l76 68M188 84l-76 68" stroke="#66785e" stroke-width="4"/>`,
  vase: `<path d="M128 44h44q-4 30 14 54 22 40-6 104h-60q-28-64-6-104 18-24 14-54z" fill="#b8694c"/><path d="M136 60v140M150 60v142M164 60v140" stroke="#9c543a" stroke-width="3"/>`,
  bowl: `<path d="M74 112h152q-8 72-76 72t-76-72z" fill="#5f7686"/><ellipse cx="150" cy="112" rx="76" ry="16" fill="#7f95a3"/><path d="M126 184h48v12h-48z" fill="#4d626f"/>`,
  cup: `<path d="M70 104h66v56q0 22-33 22t-33-22z" fill="#d8cfc0"/><path d="M164 104h66v56q0 22-33 22t-33-22z" fill="#8e9e8b"/><path d="M230 118q24 0 22 18t-24 20" fill="none" stroke="#8e9e8b" stroke-width="7"/>`,
};
const GROUNDS = { lamps: "#efe3cf", textiles: "#e7e6dc", ceramics: "#e3e4e6" };

/** Return the drawing of a product, which says nothing that its name does not. */
export const draw = (id) =>
  `<svg viewBox="0 0 300 240" aria-hidden="true"><rect width="300" height="240" fill="${GROUNDS[GOODS[id].category]}"/>${SHAPES[id]}</svg>`;
