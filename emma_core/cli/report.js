"use strict";
const form = document.getElementById("filter");
const inputs = Object.fromEntries(
  ["words", "edit", "weight", "field", "record"].map((id) => [id, document.getElementById(id)])
);
const { words, edit, weight, field, record } = inputs;
const shown = document.getElementById("shown");
const rows = Array.from(document.querySelectorAll("#findings tbody tr"));
const texts = rows.map((row) => row.textContent.toLowerCase());

function filter() {
  const sought = words.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = record.value.trim();
  let count = 0;
  rows.forEach((row, place) => {
    const fits =
      (!edit.value || row.dataset.edit === edit.value) &&
      (!weight.value || row.dataset.weight === weight.value) &&
      (!field.value || row.dataset.field.split(" ").includes(field.value)) &&
      (!wanted || row.dataset.record === wanted) &&
      sought.every((word) => texts[place].includes(word));
    row.hidden = !fits;
    count += fits ? 1 : 0;
  });
  shown.textContent = count + " of " + rows.length + " shown";
}

function pick(event) {
  const bar = event.target.closest("[data-fill]");
  if (!bar || (event.type === "keydown" && event.key !== "Enter")) return;
  inputs[bar.dataset.fill].value = bar.dataset.value;
  filter();
  form.scrollIntoView({ behavior: "smooth" });
}

form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(filter));
document.addEventListener("click", pick);
document.addEventListener("keydown", pick);
filter();
