"use strict";
(() => {
  const data = JSON.parse(document.getElementById("report-data").textContent);
  const make = (name, words) => {
    const one = document.createElement(name);
    if (words !== undefined) one.textContent = words;
    return one;
  };
  const percent = (value) => {
    const tenths = Math.round(value * 1000) / 10;
    if (((value > 0 && value < 0.1) || (value > 0.9 && value < 1)) && tenths % 1) return tenths.toFixed(1) + "%";
    if (value < 1 && tenths === 100) return ">99.9%";
    return value > 0 && tenths === 0 ? "<0.1%" : Math.round(value * 100) + "%";
  };

  // A click on a count shows its inputs; text is set as text, never as markup.
  const cells = new Map((data.confusion ? data.confusion.cells : []).map((one) => [one.cell, one]));
  const picture = /^data:image\/jpeg;base64,[A-Za-z0-9+/=]+$/;
  const shown = (one) => {
    const item = make("li");
    const answer = one.found_task + (one.found_label === null ? "" : " / " + one.found_label);
    if (one.picture !== null && picture.test(one.picture)) {
      const image = make("img");
      image.src = one.picture;
      image.alt = one.shown;
      item.append(image);
    } else {
      item.append(make("span", one.shown));
    }
    const said = "is " + one.task + " / " + one.label + ", answered " + answer;
    item.append(make("small", said + (one.unknown ? ", called unknown" : "")));
    return item;
  };
  const panelOf = (key) => document.getElementById("inputs-" + (key.startsWith("t:") ? "t" : "c" + key.split(":")[1]));
  const open = (button) => {
    const cell = cells.get(button.dataset.cell);
    const panel = panelOf(cell.cell);
    const again = button.getAttribute("aria-expanded") === "true";
    const near = panel.previousElementSibling.querySelectorAll("[aria-expanded=true]");
    near.forEach((one) => one.setAttribute("aria-expanded", "false"));
    panel.hidden = again;
    if (again) return;
    button.setAttribute("aria-expanded", "true");
    const examples = cell.examples.map((place) => data.confusion.examples[place]);
    const list = make("ol");
    if (examples.some((one) => one.picture !== null)) list.className = "pictures";
    list.append(...examples.map(shown));
    const level = panel.id === "inputs-t" ? "h3" : "h4";
    panel.replaceChildren(make(level, button.getAttribute("aria-label")), list);
    if (cell.more) panel.append(make("p", cell.more + " more are not in this file."));
  };
  document.querySelectorAll("[data-cell]").forEach((button) => {
    button.setAttribute("aria-expanded", "false");
    button.addEventListener("click", () => open(button));
  });

  // The slider.
  const slider = document.getElementById("rate");
  if (slider) {
    const found = data.thresholds;
    const chart = document.querySelector("#rate-chart svg");
    const cursor = chart.querySelector(".cursor");
    const rows = document.querySelectorAll("#rate-tasks tbody tr");
    const move = () => {
      const at = Number(slider.value);
      const rate = found.rates[at];
      const place = chart.dataset;
      const bent = (value) => (place.log === "1" ? Math.log10(value) : value);
      const share = (bent(rate) - bent(Number(place.x0))) / (bent(Number(place.x1)) - bent(Number(place.x0)));
      const x = Number(place.left) + share * (Number(place.right) - Number(place.left));
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      document.getElementById("rate-shown").textContent = "export --false-reject " + rate;
      slider.setAttribute("aria-valuetext", percent(rate));
      for (const name of ["caught", "rejected", "wrong"]) {
        const figure = document.getElementById("rate-" + name);
        if (figure) figure.textContent = percent(found[name][at]);
      }
      const fewest = Math.min(...data.tasks.map((one) => one.certificate.own));
      document.getElementById("rate-kept").textContent = percent(Math.max(rate, 1 / (fewest + 1)));
      found.tasks.forEach((one, number) => {
        const values = rows[number].children;
        values[1].textContent = one.threshold[at].toFixed(1);
        values[2].textContent = one.rejected[at] + " of " + one.known;
        if (values[3]) values[3].textContent = one.unknown ? one.caught[at] + " of " + one.unknown : "none came";
      });
    };
    slider.addEventListener("input", move);
    move();
  }

  // On paper nothing can be opened: short tables are, and of the tasks those with wrong answers.
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("figure details, section > details").forEach((one) => {
      const told = !one.classList.contains("task") || one.querySelector(".wrong");
      if (told && one.querySelectorAll("tr").length <= 40) one.open = true;
    });
  });
})();
