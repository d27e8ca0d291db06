"use strict";
(() => {
  const [FILE, CASE, STATUS, REASON, SLICES, SCORE, P, FLAG, THUMB, HEAT] = Array(10).keys();
  const rows = JSON.parse(document.getElementById("data").textContent);
  const byId = (name) => document.getElementById(name);
  const [search, show, sort, size, list] = ["search", "show", "sort", "size", "rows"].map(byId);
  const large = byId("large");
  const texts = new Array(rows.length); // lower case, made when first searched
  let matching = [], page = 0, here = -1;

  const rules = JSON.parse(byId("main").dataset.rules);
  const isFlagged = (row) => row[FLAG] > 0;
  const KINDS = {
    all: ["all rows", () => true],
    flagged: ["flagged", isFlagged],
    scored: ["scored", (row) => row[STATUS] === "scored"],
    failed: ["failed", (row) => row[STATUS] === "failed"],
    skipped: ["skipped", (row) => row[STATUS] === "skipped"],
  };
  const collator = new Intl.Collator("en", { numeric: true });
  const score = (row) => (row[SCORE] === null ? -Infinity : row[SCORE]);
  const ORDERS = {
    worst: (a, b) => a - b, // as they were written
    best: (a, b) => (rows[a][SCORE] === null) - (rows[b][SCORE] === null) || score(rows[a]) - score(rows[b]) || a - b,
    file: (a, b) => collator.compare(rows[a][FILE], rows[b][FILE]) || a - b,
  };

  function element(kind, name, text) {
    const made = document.createElement(kind);
    if (name) made.className = name;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function number(value) {
    return value === null ? "–" : Math.abs(value) >= 1e5 || (value && Math.abs(value) < 1e-3) ? value.toExponential(3) : String(Number(value.toPrecision(5)));
  }

  function measures(row) {
    const parts = [["score", number(row[SCORE]), "score"]];
    if (row[P] !== null) {
      const total = rules.normals;
      const lower = Math.round((1 - row[P]) * (total + 1));
      parts.push(["above held-out normals", `${lower} of ${total}`, ""]);
      parts.push(["p-value", number(row[P]), ""]);
    }
    if (row[SLICES] > 1) parts.push(["slices", String(row[SLICES]), ""]);
    return parts;
  }

  // The value and the limit with as few digits as show a difference.
  function distinguishable(value, limit) {
    for (const digits of [3, 4, 6]) {
      const [first, second] = [value, limit].map((part) => String(Number(part.toPrecision(digits))));
      if (first !== second) return [first, second];
    }
    return [number(value), "just as much"];
  }

  // For each rule whether it flags the row, and why, in words.
  function reasons(row) {
    const explanations = [];
    if (row[SCORE] === null) return explanations;
    if (rules.alpha !== null && row[P] !== null) {
      const hit = (row[FLAG] & 1) > 0, p = number(Number(row[P].toPrecision(2))), alpha = `alpha ${number(rules.alpha)}`;
      explanations.push([hit, hit ? `flagged by: false-alarm rule (p = ${p} ≤ ${alpha})` : `p = ${p} > ${alpha}: not by the false-alarm rule`]);
    }
    if (rules.limit !== null) {
      const hit = (row[FLAG] & 2) > 0, name = `threshold '${rules.point}'`;
      const [value, limit] = distinguishable(row[SCORE], rules.limit);
      explanations.push([hit, hit ? `flagged by: ${name} (score ${value} > ${limit})` : `score ${value} ≤ ${limit}: not by ${name}`]);
    }
    return explanations.sort((a, b) => b[0] - a[0]);
  }

  function drawn(index) {
    const row = rows[index];
    const item = element("li", row[THUMB] ? "" : "plain");
    if (row[THUMB]) {
      const button = element("button", "picture");
      const image = element("img");
      button.type = "button";
      button.tabIndex = -1;
      button.setAttribute("aria-label", "Open the picture of " + row[FILE]);
      image.loading = "lazy";
      image.decoding = "async";
      image.alt = "";
      image.src = row[THUMB];
      button.append(image);
      item.append(button);
    }
    const words = element("div");
    words.append(element("p", "file", row[FILE]), element("p", "reason", row[REASON] || "case " + row[CASE]));
    const side = element("div");
    const flagged = isFlagged(row);
    if (flagged) for (const [hit, text] of reasons(row)) words.append(element("p", hit ? "why hit" : "why soft", text));
    side.append(element("p", "mark " + (flagged ? "flagged" : row[STATUS]), flagged ? "flagged" : row[STATUS]));
    if (row[SCORE] !== null) {
      const values = element("dl", "measures");
      for (const [name, value, kind] of measures(row)) values.append(element("dt", "", name), element("dd", kind, value));
      side.append(values);
    }
    item.append(words, side);
    return item;
  }

  function draw() {
    const step = Number(size.value), pages = Math.max(1, Math.ceil(matching.length / step));
    page = Math.min(Math.max(page, 0), pages - 1);
    const onPage = matching.slice(page * step, (page + 1) * step);
    list.start = page * step + 1;
    list.replaceChildren(...onPage.map(drawn));
    here = -1;
    byId("page").textContent = `Page ${(page + 1).toLocaleString("en")} of ${pages.toLocaleString("en")}`;
    byId("before").disabled = page === 0;
    byId("after").disabled = page === pages - 1;
    byId("found").textContent = matching.length === 1 ? "1 row" : matching.length ? `${matching.length.toLocaleString("en")} rows` : "No row fits.";
  }

  function choose() {
    const wanted = search.value.trim().toLowerCase(), fits = KINDS[show.value][1];
    matching = [];
    rows.forEach((row, index) => {
      if (!fits(row)) return;
      if (wanted) {
        texts[index] ??= (row[FILE] + "\n" + row[CASE] + "\n" + row[REASON]).toLowerCase();
        if (!texts[index].includes(wanted)) return;
      }
      matching.push(index);
    });
    if (sort.value !== "worst") matching.sort(ORDERS[sort.value]);
    page = 0;
    draw();
  }

  function turn(by) {
    const before = page;
    page += by;
    draw();
    if (page !== before) list.scrollIntoView({ block: "start" });
    return page !== before;
  }

  function go(to) {
    const items = list.children;
    if (!items.length) return;
    if (to >= items.length) { if (turn(1)) go(0); return; }
    if (to < 0) { if (turn(-1)) go(list.children.length - 1); return; }
    items[here]?.classList.remove("here");
    here = to;
    items[here].classList.add("here");
    items[here].scrollIntoView({ block: "nearest" });
    if (large.open) open();
  }

  function open() {
    const row = rows[matching[page * Number(size.value) + here]];
    const picture = row[HEAT] || row[THUMB];
    byId("large-name").textContent = row[FILE];
    byId("large-image").hidden = !picture;
    if (picture) byId("large-image").src = picture;
    const values = row[SCORE] === null ? [row[STATUS]] : measures(row).map(([name, value]) => `${name} ${value}`);
    byId("large-details").textContent = values.concat(reasons(row).map(([, text]) => text), row[REASON] || []).join(" · ");
    if (!large.open) large.showModal();
  }

  const KEYS = {
    ArrowDown: () => go(here + 1), j: () => go(here + 1), ArrowUp: () => go(here - 1), k: () => go(here - 1),
    ArrowRight: () => turn(1), n: () => turn(1), ArrowLeft: () => turn(-1), p: () => turn(-1),
    Enter: () => here >= 0 && open(), "/": () => search.focus(),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && event.target === search) { search.blur(); return; }
    if (event.target.closest("input, select") || (event.key === "Enter" && event.target.closest("button, summary"))) return;
    if (large.open && !["ArrowDown", "ArrowUp", "j", "k"].includes(event.key)) return;
    const does = KEYS[event.key];
    if (does) { event.preventDefault(); does(); }
  });

  for (const [name, [words, fits]] of Object.entries(KINDS)) {
    const many = rows.reduce((sum, row) => sum + fits(row), 0);
    const option = element("option", "", `${words} (${many.toLocaleString("en")})`);
    option.value = name;
    if (many || name === "all") show.append(option);
  }
  let timer = 0;
  search.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(choose, 120); });
  for (const one of [show, sort]) one.addEventListener("change", choose);
  size.addEventListener("change", () => { page = 0; draw(); });
  byId("before").addEventListener("click", () => turn(-1));
  byId("after").addEventListener("click", () => turn(1));
  byId("close").addEventListener("click", () => large.close());
  list.addEventListener("click", (event) => {
    const item = event.target.closest("li");
    if (!item) return;
    go([...list.children].indexOf(item));
    if (event.target.closest(".picture")) open();
  });
  choose();
})();
