// Rows of a table, sorted and filtered.

/** The rows of which some text holds every word of `query`, whatever the case. */
export function filtered(rows, query) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => {
    const text = Object.values(row).join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** The rows by one column, numbers as numbers, what is missing last; `down`: the greatest first. */
export function sorted(rows, by, down) {
  const sign = down ? -1 : 1;
  const missing = (value) => value === null || value === undefined;
  return rows.toSorted((a, b) => {
    const [x, y] = [a[by], b[by]];
    if (missing(x) || missing(y)) return Number(missing(x)) - Number(missing(y)) || a.number - b.number;
    if (x === y) return a.number - b.number;
    const ahead = typeof x === "string" ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
    return sign * ahead;
  });
}
