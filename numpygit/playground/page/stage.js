// The picture: stickers that can be dragged, the brush, and the heat of attention over it.

const NS = "http://www.w3.org/2000/svg";
const MIXES = { dark: [[40, 20, 60], 0.26], light: [[255, 255, 255], 0.42] }; // as drawing.py mixes paper
const FIXED = { white: [255, 255, 255], cream: [255, 247, 222], wood: [122, 82, 56], ink: [46, 38, 54] };

const $ = (id) => document.getElementById(id);

function make(name, attributes = {}) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

export class Stage {
  constructor(store, ready, tell) {
    this.store = store;
    this.world = ready;
    this.tell = tell; // says a sentence to screen readers
    this.selected = -1;
    this.brushing = false;
    this.held = null;
    this.svg = $("paper");
    this.svg.addEventListener("pointerdown", (e) => this.down(e));
    this.svg.addEventListener("pointermove", (e) => this.move(e));
    for (const end of ["pointerup", "pointercancel"]) this.svg.addEventListener(end, (e) => this.up(e));
    this.svg.addEventListener("keydown", (e) => this.key(e));
    this.svg.addEventListener("focusin", (e) => {
      const thing = e.target.closest?.(".thing");
      if (thing) this.select(+thing.dataset.number);
    });
  }

  paper(name, color) {
    const [r, g, b] = this.world.colors[color] || [128, 128, 128];
    if (FIXED[name]) return `rgb(${FIXED[name]})`;
    if (!MIXES[name]) return `rgb(${[r, g, b]})`;
    const [other, part] = MIXES[name];
    return `rgb(${[r, g, b].map((v, i) => Math.round(v + (other[i] - v) * part))})`;
  }

  sticker(thing, scale) { // its pieces around (0, 0), a white border, a shadow
    const group = make("g", { class: "sticker" });
    const shapes = this.world.shapes[thing.kind] || [];
    const corners = shapes.map(({ points }) => "M" + points.map(([x, y]) => `${(x * scale).toFixed(2)} ${(y * scale).toFixed(2)}`).join("L") + "Z");
    group.append(make("path", { d: corners.join(""), class: "border" }));
    shapes.forEach(({ paper }, i) => group.append(make("path", { d: corners[i], fill: this.paper(paper, thing.color) })));
    return group;
  }

  draw() {
    const { now } = this.store;
    const hadFocus = document.activeElement?.closest?.(".thing")?.dataset.number;
    const things = now.mode === "scene" ? this.store.things : [];
    const layer = $("things");
    layer.replaceChildren();
    // the first in the list lies on top, so it is drawn last
    things.map((thing, number) => [thing, number]).reverse().forEach(([thing, number]) => {
      const group = this.sticker(thing, thing.r * 100);
      group.classList.add("thing");
      group.classList.toggle("selected", number === this.selected);
      group.dataset.number = number;
      group.setAttribute("transform", `translate(${thing.x * 100} ${thing.y * 100}) rotate(${-(thing.turn || 0)}) scale(${thing.flip ? -1 : 1} 1)`);
      group.setAttribute("tabindex", "0");
      group.setAttribute("role", "button");
      group.setAttribute("aria-label", `${thing.color} ${thing.kind}, ${Math.round(thing.x * 100)} percent from the left, ${Math.round(thing.y * 100)} from the top`);
      layer.append(group);
    });
    if (hadFocus !== undefined) layer.querySelector(`[data-number="${hadFocus}"]`)?.focus({ preventScroll: true });
    this.drawHandles(things);
    this.drawStrokes(now.brush);
    $("selected").hidden = !(this.selected >= 0 && things[this.selected]);
    const chosen = things[this.selected];
    if (chosen) $("selected-name").textContent = `${chosen.color} ${chosen.kind}`;
    this.svg.classList.toggle("brushing", this.brushing);
    $("unbrush").hidden = !now.brush.length;
  }

  drawHandles(things) {
    const layer = $("handles"), { now } = this.store;
    layer.replaceChildren();
    const chosen = things[this.selected];
    if (chosen && !this.brushing) {
      const { x, y, r } = chosen;
      layer.append(make("circle", { cx: x * 100, cy: y * 100, r: r * 115, class: "ring" }));
      const at = 0.7071 * r * 115;
      layer.append(make("circle", { cx: x * 100 + at, cy: y * 100 + at, r: 2.6, class: "resize", "data-handle": "size" }));
    }
    if (now.mode === "scene" && now.sign && !this.brushing) {
      layer.append(make("rect", { x: now.sign_x * 100 - 30, y: now.sign_y * 100 - 13, width: 60, height: 26, rx: 2, class: "sign", "data-handle": "sign",
        tabindex: 0, role: "button", "aria-label": `the sign that says ${now.sign}` }));
    }
  }

  drawStrokes(strokes) {
    $("strokes").replaceChildren(...strokes.map(({ r, points }) => {
      const d = points.length > 1 ? "M" + points.map(([x, y]) => `${x * 100} ${y * 100}`).join("L") : `M${points[0][0] * 100} ${points[0][1] * 100}h.01`;
      return make("path", { d, "stroke-width": r * 200, class: "stroke" });
    }));
  }

  select(number) {
    if (this.selected === number) return;
    this.selected = number;
    for (const each of $("things").children) each.classList.toggle("selected", +each.dataset.number === number);
    const things = this.store.now.mode === "scene" ? this.store.things : [];
    this.drawHandles(things);
    const chosen = things[number];
    $("selected").hidden = !chosen;
    if (chosen) {
      $("selected-name").textContent = `${chosen.color} ${chosen.kind}`;
      for (const dot of $("colors").children) dot.setAttribute("aria-pressed", dot.dataset.color === chosen.color);
    }
  }

  place(event) {
    const box = this.svg.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  down(event) {
    if (event.button) return;
    const [x, y] = this.place(event), { now } = this.store;
    const handle = event.target.dataset?.handle, thing = event.target.closest?.(".thing");
    if (this.brushing) {
      this.held = { kind: "brush", points: [[x, y]] };
      this.store.change({ brush: [...now.brush, { r: 0.065, points: this.held.points }] }, { live: true, quiet: true });
      this.drawStrokes(this.store.now.brush);
    } else if (handle === "size") {
      this.held = { kind: "size" };
    } else if (handle === "sign") {
      this.held = { kind: "sign", dx: now.sign_x - x, dy: now.sign_y - y };
    } else if (thing) {
      const number = +thing.dataset.number, { x: tx, y: ty } = this.store.things[number];
      this.select(number);
      thing.focus({ preventScroll: true });
      this.held = { kind: "thing", number, dx: tx - x, dy: ty - y, moved: false };
    } else if (now.mode === "photo" && now.zoom > 1) {
      this.held = { kind: "pan", x, y, panX: now.panX, panY: now.panY };
    } else {
      this.select(-1);
      return;
    }
    event.preventDefault();
    this.svg.setPointerCapture(event.pointerId);
  }

  move(event) {
    if (!this.held) return;
    const [x, y] = this.place(event), { now } = this.store, live = { live: true };
    const clamp = (v, low = 0, high = 1) => Math.min(high, Math.max(low, v));
    if (this.held.kind === "thing") {
      this.held.moved = true;
      this.edit(this.held.number, { x: clamp(x + this.held.dx), y: clamp(y + this.held.dy) }, live);
    } else if (this.held.kind === "size") {
      const { x: cx, y: cy } = this.store.things[this.selected];
      this.held.moved = true;
      this.edit(this.selected, { r: clamp(Math.hypot(x - cx, y - cy) / 1.15, 0.05, 0.4) }, live);
    } else if (this.held.kind === "sign") {
      this.held.moved = true;
      this.store.change({ sign_x: clamp(x + this.held.dx, 0.15, 0.85), sign_y: clamp(y + this.held.dy, 0.1, 0.9) }, live);
    } else if (this.held.kind === "brush") {
      const last = this.held.points.at(-1);
      if (Math.hypot(last[0] - x, last[1] - y) < 0.01) return;
      this.held.points.push([x, y]);
      this.store.now.brush.at(-1).points = structuredClone(this.held.points);
      this.drawStrokes(now.brush);
    } else if (this.held.kind === "pan") {
      this.held.moved = true;
      this.store.change({ panX: this.held.panX + this.held.x - x, panY: this.held.panY + this.held.y - y }, live);
    }
  }

  up() {
    const held = this.held;
    this.held = null;
    if (held && (held.moved || held.kind === "brush")) this.store.change({}); // one entry in the history
  }

  edit(number, parts, how) {
    const frames = this.store.now.frames.map((frame, i) => i === this.store.now.frame
      ? frame.map((thing, n) => n === number ? { ...thing, ...parts } : thing) : frame);
    this.store.change({ frames }, how);
  }

  withThings(things, selected) {
    this.selected = selected;
    const frames = this.store.now.frames.map((frame, i) => i === this.store.now.frame ? things : frame);
    this.store.change({ frames });
  }

  add(kind, color) {
    const things = this.store.things;
    if (things.length >= 12) return this.tell("Twelve stickers are enough for one picture.");
    const spots = [[0.5, 0.5], [0.25, 0.3], [0.75, 0.3], [0.25, 0.7], [0.75, 0.7], [0.5, 0.25], [0.5, 0.75]];
    const room = ([x, y]) => Math.min(1, ...things.map((t) => Math.hypot(t.x - x, t.y - y) - t.r));
    const [x, y] = spots.reduce((best, spot) => room(spot) > room(best) + 1e-9 ? spot : best);
    this.withThings([{ kind, color, x, y, r: 0.14, turn: 0, flip: false }, ...things], 0);
    this.tell(`a ${color} ${kind} was added`);
  }

  act(what) {
    const things = this.store.things, number = this.selected, thing = things[number];
    if (!thing) return;
    const colors = Object.keys(this.world.colors);
    if (what === "remove") {
      this.withThings(things.filter((_, n) => n !== number), -1);
      this.tell(`the ${thing.color} ${thing.kind} was removed`);
    } else if (what === "front") this.withThings([thing, ...things.filter((_, n) => n !== number)], 0);
    else if (what === "flip") this.edit(number, { flip: !thing.flip });
    else if (what === "bigger") this.edit(number, { r: Math.min(0.4, thing.r * 1.15) });
    else if (what === "smaller") this.edit(number, { r: Math.max(0.05, thing.r / 1.15) });
    else if (what === "color") this.edit(number, { color: colors[(colors.indexOf(thing.color) + 1) % colors.length] });
  }

  key(event) {
    const step = event.shiftKey ? 0.1 : 0.02;
    const ways = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    const clamp = (v) => Math.min(1, Math.max(0, +v.toFixed(4)));
    const way = ways[event.key];
    if (event.target.dataset?.handle === "sign" && way) {
      event.preventDefault();
      const { sign_x, sign_y } = this.store.now;
      this.store.change({ sign_x: clamp(sign_x + way[0]), sign_y: clamp(sign_y + way[1]) });
      document.querySelector('[data-handle="sign"]')?.focus({ preventScroll: true });
      return;
    }
    const thing = event.target.closest?.(".thing");
    if (!thing || event.ctrlKey || event.metaKey) return;
    this.selected = +thing.dataset.number;
    const { x, y } = this.store.things[this.selected];
    const acts = { "+": "bigger", "=": "bigger", "-": "smaller", Delete: "remove", Backspace: "remove", f: "flip", c: "color" };
    if (way) this.edit(this.selected, { x: clamp(x + way[0]), y: clamp(y + way[1]) });
    else if (acts[event.key]) this.act(acts[event.key]);
    else return;
    event.preventDefault();
  }

  // the backdrop, an example or a photograph, as an address of an image
  showBack(address, box = [0, 0, 100, 100]) {
    const back = $("back");
    back.setAttribute("href", address);
    ["x", "y", "width", "height"].forEach((name, i) => back.setAttribute(name, box[i]));
  }

  // rows x columns of values; positive ones warm, negative ones cold
  showHeat(values, rows, columns, note) {
    const canvas = $("heat"), pen = canvas.getContext("2d");
    canvas.hidden = !values;
    $("heat-note").hidden = !note;
    $("heat-note").textContent = note || "";
    if (!values) return;
    canvas.width = columns;
    canvas.height = rows;
    const most = Math.max(1e-9, ...values.map(Math.abs));
    const pixels = pen.createImageData(columns, rows);
    values.forEach((value, i) => {
      const part = Math.abs(value) / most;
      pixels.data.set(value >= 0 ? [255, 74 + 120 * part, 0, 215 * part ** 0.8] : [20, 90, 255, 200 * part], i * 4);
    });
    pen.putImageData(pixels, 0, 0);
  }
}

// A small heat map of its own, for the grid of layers and heads.
export function miniature(canvas, values, rows, columns) {
  canvas.width = columns;
  canvas.height = rows;
  const pen = canvas.getContext("2d"), pixels = pen.createImageData(columns, rows);
  const most = Math.max(1e-9, ...values);
  values.forEach((value, i) => pixels.data.set(shade(value / most), i * 4));
  pen.putImageData(pixels, 0, 0);
}

function shade(part) { // dark violet to yellow
  const stops = [[24, 16, 60], [120, 28, 109], [229, 92, 48], [252, 216, 90]];
  const at = Math.min(2.999, Math.max(0, part) * 3), i = Math.floor(at), t = at - i;
  return [...stops[i].map((v, k) => v + (stops[i + 1][k] - v) * t), 255];
}
