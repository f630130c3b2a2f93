// Elements of the page: found by name, and made.

const byId = (id) => document.getElementById(id);

/** Make an element, its properties and its children. */
function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** Make a table: names of its columns, and rows of text or elements, whose first cell may be a head. */
function makeTable(properties, heads, rows, firstIsHead) {
  const cell = (scope) => (content) => {
    const made = make(scope ? "th" : "td", {}, content);
    if (scope) made.scope = scope;
    return made;
  };
  const head = make("thead", {}, make("tr", {}, ...heads.map(cell("col"))));
  const body = rows.map(([first, ...others]) =>
    make("tr", {}, cell(firstIsHead && "row")(first), ...others.map(cell())));
  return make("table", properties, head, make("tbody", {}, ...body));
}
