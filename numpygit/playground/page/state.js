// What an experiment is made of; its history; and its form in the address.

export const FRESH = {
  mode: "scene",
  frames: [[
    { kind: "cat", color: "blue", x: 0.5, y: 0.3, r: 0.15, turn: 0, flip: false },
    { kind: "house", color: "red", x: 0.5, y: 0.7, r: 0.15, turn: 0, flip: false },
  ]],
  frame: 0, night: false, backdrop: 3, sign: "", sign_x: 0.5, sign_y: 0.68,
  example: "relation.png", brush: [], question: "", zoom: 1, panX: 0, panY: 0,
  heads_off: [], layers_off: [], beams: 1, temperature: 0, seed: 0, random_weights: false,
};

const MOST = 100;

export class Store {
  constructor(onChange) {
    this.onChange = onChange;
    this.now = { ...structuredClone(FRESH), ...fromAddress() };
    this.past = [];
    this.future = [];
  }

  // change(parts) puts an entry into the history; change(parts, {live: true}) goes on with the last
  change(parts, { live = false, quiet = false } = {}) {
    if (!live) {
      this.past.push(this.held || JSON.stringify(this.now));
      if (this.past.length > MOST) this.past.shift();
      this.future = [];
      this.held = null;
    } else {
      this.held ||= JSON.stringify(this.now); // as it was before the pointer went down
    }
    this.now = { ...this.now, ...structuredClone(parts) };
    if (!live) this.write();
    if (!quiet) this.onChange(this.now, live);
  }

  step(from, to) {
    if (!from.length) return;
    to.push(JSON.stringify(this.now));
    this.now = JSON.parse(from.pop());
    this.write();
    this.onChange(this.now, false);
  }

  undo() { this.step(this.past, this.future); }
  redo() { this.step(this.future, this.past); }

  write() { history.replaceState(null, "", address(this.now)); }

  get things() { return this.now.frames[this.now.frame]; }
}

export function address(state) {
  const differs = Object.fromEntries(
    Object.entries(state).filter(([key, value]) => key in FRESH && JSON.stringify(value) !== JSON.stringify(FRESH[key])),
  );
  const hash = new URLSearchParams(location.hash.slice(1));
  hash.delete("s");
  if (Object.keys(differs).length) {
    const bytes = new TextEncoder().encode(JSON.stringify(differs, (_, v) => typeof v === "number" ? +v.toFixed(4) : v));
    let text = "";
    for (const byte of bytes) text += String.fromCharCode(byte);
    hash.set("s", btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""));
  }
  const parts = hash.toString();
  return location.pathname + location.search + (parts ? "#" + parts : "");
}

// An address comes from anywhere: only known keys with values of the expected kind are taken.
export function fromAddress() {
  const text = new URLSearchParams(location.hash.slice(1)).get("s");
  if (!text) return {};
  try {
    const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const given = JSON.parse(new TextDecoder().decode(bytes));
    return Object.fromEntries(Object.entries(given).filter(([key, value]) => fits(key, value)));
  } catch {
    return {};
  }
}

const near = (value) => typeof value === "number" && Number.isFinite(value) && Math.abs(value) <= 1e9;
const isThing = (t) => t && typeof t.kind === "string" && typeof t.color === "string" && near(t.x) && near(t.y) && near(t.r);
function fits(key, value) {
  if (!(key in FRESH)) return false;
  if (key === "mode") return ["scene", "example"].includes(value);
  if (key === "frames") return Array.isArray(value) && [1, 2, 3, 4].includes(value.length) && value.every((f) => Array.isArray(f) && f.length <= 12 && f.every(isThing));
  if (key === "frame") return [0, 1, 2, 3].includes(value);
  if (key === "brush") return Array.isArray(value) && value.every((s) => s && near(s.r) && Array.isArray(s.points) && s.points.every((p) => Array.isArray(p) && p.every(near)));
  if (key === "heads_off") return Array.isArray(value) && value.every((p) => Array.isArray(p) && p.length === 2 && p.every(near));
  if (key === "layers_off") return Array.isArray(value) && value.every(near);
  return typeof value === typeof FRESH[key] && (typeof value !== "number" || near(value)) && String(value).length <= 200;
}

// What is sent: the picture and the settings of a state.
export function message(state, photo) {
  const scene = (stickers) => ({
    stickers, night: state.night, backdrop: state.backdrop,
    ...(state.sign ? { sign: state.sign, sign_x: state.sign_x, sign_y: state.sign_y } : {}),
  });
  const picture = state.mode === "photo" ? { file: photo }
    : state.mode === "example" ? { example: state.example }
    : state.frames.length > 1 ? { frames: state.frames.map(scene) } : { scene: scene(state.frames[0]) };
  const { brush, question, heads_off, layers_off, beams, temperature, seed, random_weights } = state;
  return { picture, brush, question, heads_off, layers_off, beams, temperature, seed, random_weights };
}
