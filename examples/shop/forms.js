// The two forms: where to deliver, and how to pay.
const DECLINED = "4000000000000002";
const CHECKING_MS = 600;
const MESSAGES = {
  postcode: "Five digits, such as 53111.",
  phone: "Digits, at least six, such as 0228 123456.",
  card: "Sixteen digits.",
};

/** Say beside each field what is wrong with it, and go to the first. */
function check(form) {
  for (const field of form.querySelectorAll("input")) {
    const good = !field.willValidate || field.validity.valid;
    const note = document.getElementById(`${field.name}-wrong`);
    if (!note) continue;
    field.toggleAttribute("aria-invalid", !good);
    if (!good) field.setAttribute("aria-invalid", "true");
    note.textContent = good ? "" : (field.value && MESSAGES[field.name]) || "This is needed.";
  }
  form.querySelector("[aria-invalid=true]")?.focus();
  return form.checkValidity();
}

/** Send the address on, once all of it can be used. */
export function address(form, sent) {
  form.noValidate = true;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (check(form)) sent();
  });
}

/** Pay by the chosen way. One card is declined: 4000 0000 0000 0002. */
export function payment(form, way, { refused, paid }) {
  const card = form.querySelector("[name=card]");
  const button = form.querySelector("button");
  const failed = document.getElementById("failed");
  const chosen = () => form.querySelector("[name=way]:checked").value;
  const show = () => {
    card.disabled = chosen() !== "card";
    document.getElementById("card").hidden = card.disabled;
  };
  const asked = form.querySelector(`[name=way][value="${way}"]`);
  if (asked) asked.checked = true;
  form.addEventListener("change", show);
  show();
  form.noValidate = true;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!check(form)) return;
    button.disabled = true;
    failed.hidden = true;
    // As long as a bank takes.
    setTimeout(() => {
      button.disabled = false;
      if (card.disabled || card.value.replace(/\D/g, "") !== DECLINED) return paid();
      failed.hidden = false;
      failed.focus();
      refused("declined");
    }, CHECKING_MS);
  });
}
