// Rows in an order that a person has chosen by a column's heading; it is kept over whatever changes.

const COLLATOR = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

// For how long it has been so, as of a moment that may not be known.
function waited(since) {
  return since === null ? null : -since;
}

// `values`: by column what of an item is compared, null where nothing is; `redraw` shows the rows anew.
// A heading pressed once sorts text upwards and numbers downwards, then the other way; then it is the page's order again.
function sorting(values, redraw) {
  const chosen = { column: null, isDown: false };
  let heads = [];
  function choose(column, isNumber) {
    if (chosen.column !== column) Object.assign(chosen, { column, isDown: isNumber });
    else if (chosen.isDown === isNumber) chosen.isDown = !isNumber;
    else chosen.column = null;
    showChosen();
    const name = heads[column].textContent;
    speak(chosen.column === null ? `${name}: no longer sorted by it` : `Sorted by ${name}, ${directionWord()}`, { isUrgent: true });
    redraw();
  }
  function directionWord() {
    return chosen.isDown ? "descending" : "ascending";
  }
  function showChosen() {
    heads.forEach((head, column) => mark(head, "aria-sort", column === chosen.column ? directionWord() : null));
  }
  function head(text, kind, column) {
    const press = () => choose(column, kind === "number");
    const inside = values[column] ? h("button.sorter", { type: "button", title: "Sort by it", click: press }, text) : text;
    return h("th", { scope: "col", class: kind || null }, inside);
  }
  function headings(columns) {
    heads = columns.map(([text, kind], column) => head(text, kind, column));
    showChosen();
    return heads;
  }
  // What is not known comes last, whichever way; equal ones keep the page's order.
  function arranged(items) {
    const valueOf = values[chosen.column];
    if (!valueOf) return items;
    const known = items.map((item) => [valueOf(item) ?? null, item]);
    const sign = chosen.isDown ? -1 : 1;
    known.sort(([one], [other]) => {
      if (one === null || other === null) return (one === null) - (other === null);
      return sign * (typeof one === "number" ? one - other : COLLATOR.compare(one, other));
    });
    return known.map(([, item]) => item);
  }
  return { headings, arranged, isChosen: () => chosen.column !== null };
}
