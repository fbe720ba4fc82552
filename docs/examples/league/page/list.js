// A list on the page whose rows glide to their new places.

const calm = matchMedia("(prefers-reduced-motion: reduce)");

export function animate(element, frames, milliseconds) {
  return calm.matches ? null : element.animate(frames, { duration: milliseconds, easing: "cubic-bezier(.2, .8, .2, 1)" });
}

export class List {
  #parent;
  #template;
  #draw;
  #rows = new Map(); // by key
  #moves = new Map(); // a row's running animation

  // `draw(row, item)` fills a row, which is new or has shown an earlier state of the same item.
  constructor(parent, template, draw) {
    this.#parent = parent;
    this.#template = template;
    this.#draw = draw;
  }

  // Shows items, a map from key to item, in its order.
  show(items) {
    const tops = this.#tops();
    for (const [key, row] of this.#rows) if (!items.has(key)) this.#remove(key, row);
    let next = this.#parent.firstElementChild;
    for (const [key, item] of items) {
      const row = this.#rows.get(key) ?? this.#make(key);
      if (row === next) next = next.nextElementSibling;
      else this.#parent.insertBefore(row, next);
      this.#draw(row, item);
    }
    this.#glide(tops);
  }

  #make(key) {
    const row = this.#template.content.firstElementChild.cloneNode(true);
    row.dataset.key = key;
    this.#rows.set(key, row);
    return row;
  }

  #remove(key, row) {
    row.remove();
    this.#rows.delete(key);
    this.#moves.delete(row);
  }

  #tops() {
    return new Map([...this.#rows.values()].map((row) => [row, row.getBoundingClientRect().top]));
  }

  // FLIP: the rows stand at their new places already; each starts from where it was seen, and glides.
  #glide(before) {
    const order = [...this.#rows.values()];
    for (const row of order) this.#moves.get(row)?.cancel();
    const after = this.#tops();
    for (const row of order) {
      const distance = before.get(row) - after.get(row);
      const layer = { position: "relative", zIndex: distance > 0 ? 2 : 1 };
      if (!before.has(row)) animate(row, [{ opacity: 0 }, { opacity: 1 }], 400);
      else if (distance) {
        const from = { ...layer, transform: `translateY(${distance}px)` };
        this.#moves.set(row, animate(row, [from, { ...layer, transform: "none" }], 700));
      }
    }
  }
}
