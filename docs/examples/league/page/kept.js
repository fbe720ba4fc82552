// What a page keeps over its reload, in this tab only. State and positions go in together, so that they fit: the state
// has each event up to the positions, and the relay gives what came after them.

const KEY = "league";

// What was kept; null: nothing.
export function takeKept() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY));
  } catch {
    return null; // a browser without storage: the page begins anew
  }
}

// Keeps a value; null forgets.
export function keep(value) {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(value));
  } catch {
    // as above
  }
}
