// The page: one state, one newest run, and everything that shows them.

import { connect, home, Stopped } from "./transport.js";
import { FRESH, Store, address, message } from "./state.js";
import { Stage } from "./stage.js";
import { Words, changes, compare, element, percent, showRivals, showTree } from "./words.js";
import { Look, Measure } from "./look.js";
import { Code } from "./code.js";
import { Lessons } from "./lessons.js";

const $ = (id) => document.getElementById(id);
const page = { facts: {} };
let server, ready, store, stage, words, look, measure, code, lessons;
let photo = null; // {bitmap, whole: base64 of the file}
let run = null, before = null, pinned = null, number = 0, current = null, again = false;
const backs = new Map();

const status = (text, busy = false) => { $("status").textContent = text; $("status").classList.toggle("busy", busy); };
const tell = (text) => { $("spoken-text").textContent = text; };
function complain(error) {
  const text = error instanceof Stopped || !error ? "" : error.message || String(error);
  $("mistake").hidden = !text;
  $("mistake").textContent = text;
}

// ------------------------------------------------------------------ a run

// Ask for the words of the newest state. While a pointer is down a run that has begun may end first,
// so that words appear on the way; otherwise the older run is stopped.
function ask(live = false) {
  if (current) {
    again = live ? "live" : "last";
    if (!live) current.abort.abort();
    return current.promise;
  }
  const abort = new AbortController();
  current = { abort };
  current.promise = perform(live, abort).finally(() => {
    current = null;
    if (again) { const how = again; again = false; return ask(how === "live"); }
  });
  return current.promise;
}

async function perform(live, abort) {
  const state = structuredClone(store.now), mine = ++number, began = performance.now();
  const made = { state, words: [], text: "", tokens: [], picture: "" };
  const base = pinned || before;
  let frames = [];
  status("looking …", true);
  try {
    if (state.mode === "photo" && !photo) { status("waiting for a picture"); return; }
    await server.ask({ op: "caption", ...message(state, state.mode === "photo" ? await photoFile(state) : "") }, (event) => {
      if (event.event === "picture") {
        frames = event.frames;
        made.picture = "data:image/png;base64," + frames[0];
        if (state.mode === "example") showFrames(state, frames);
      } else if (event.event === "tree") made.tree = event;
      else if (event.event === "prompt") made.tokens = event.tokens;
      else if (event.event === "word") {
        if (!made.words.length) { words.begin(); made.first = performance.now() - began; }
        event.tokens = [...made.tokens, ...made.words.map((w) => w.token)];
        event.before = made.text;
        made.text = event.text;
        made.words.push(event);
        words.add(event, false);
      } else if (event.event === "end") Object.assign(made, { text: event.text, log_probability: event.log_probability, seconds: event.seconds, look: event.look, shapes: event.shapes });
    }, abort.signal);
    made.all = performance.now() - began;
    finish(made, live, base);
  } catch (error) {
    if (!(error instanceof Stopped)) {
      status("stopped by a mistake");
      complain(error);
      made.error = error;
      page.last = made;
    }
    page.failed = error;
  }
}

function finish(made, live, base) {
  complain(null);
  words.words = made.words;
  if (!live && run && JSON.stringify(run.state) !== JSON.stringify(made.state)) before = run;
  run = made;
  page.failed = null;
  const other = pinned || before;
  const fresh = other ? changes(other.words.map((w) => w.token), made.words.map((w) => w.token)).fresh : new Set();
  [...$("spoken").children].forEach((b, i) => b.classList.toggle("changed", fresh.has(i)));
  words.end();
  showTree(made.tree);
  compare(other, made);
  if (!live) tell(made.text);
  measure.words = made.words;
  $("timing").textContent = `first word ${(made.first / 1000).toFixed(2)} s · all ${(made.all / 1000).toFixed(2)} s · together ${percent(Math.exp(made.log_probability))} likely`;
  status(home() === "browser" ? "ready, inside this page" : "ready");
  document.documentElement.dataset.runs = number;
  lessons.look();
}

function choose(word) {
  if (!word.rivals) return;
  look.show(word);
  showRivals(word);
  measure.show(word);
  code.word = word;
  lessons?.look();
}

// ------------------------------------------------------------------ pictures

async function backdrop(state) {
  const { night, backdrop: land, sign, sign_x, sign_y } = state;
  const scene = { night, backdrop: land, ...(sign ? { sign, sign_x, sign_y } : {}) };
  const key = JSON.stringify(scene);
  if (!backs.has(key)) {
    backs.set(key, new Promise((done, fail) => server.ask({ op: "backdrop", scene, size: 512 }, (e) => done("data:image/png;base64," + e.png)).catch(fail)));
    if (backs.size > 60) backs.delete(backs.keys().next().value);
  }
  return backs.get(key).catch((error) => { backs.delete(key); throw error; });
}

let shownBack = 0;
async function showBack(state) {
  const mine = ++shownBack;
  if (state.mode === "photo") return photo && stage.showBack(photo.address, box(state));
  if (state.mode === "scene") {
    const image = await backdrop(state).catch(complain);
    if (image && mine === shownBack) stage.showBack(image);
  }
}

function showFrames(state, frames) {
  const at = Math.min(look.frame, frames.length - 1);
  stage.showBack("data:image/png;base64," + frames[Math.max(0, at)]);
  film(frames.length, at, frames.map((f) => "data:image/png;base64," + f));
}

function film(count, at, pictures) {
  $("film").hidden = count < 2;
  if (count < 2) return;
  $("film").replaceChildren(...Array.from({ length: count }, (_, i) => element("button", { type: "button", "aria-pressed": String(i === at), "aria-label": `frame ${i + 1}`, onclick: () => frame(i) },
    pictures ? element("img", { src: pictures[i], alt: "" }) : String(i + 1))));
}

function frame(i) {
  look.frame = i;
  if (store.now.mode === "scene") { stage.selected = -1; store.change({ frame: i }); }
  else ask();
}

// the square of a photograph that the model will see, in the picture's own pixels
function square(state) {
  const { width, height } = photo.bitmap, side = Math.min(width, height) / state.zoom;
  const clamp = (v, most) => Math.min(most, Math.max(0, v));
  return { side, x: clamp((width - side) / 2 + state.panX * side, width - side), y: clamp((height - side) / 2 + state.panY * side, height - side) };
}

function box(state) {
  const { side, x, y } = square(state), { width, height } = photo.bitmap;
  return [-x / side * 100, -y / side * 100, width / side * 100, height / side * 100];
}

async function photoFile(state) {
  if (state.zoom === 1 && photo.whole) return photo.whole; // the very file, as `caption` gets it
  const { side, x, y } = square(state), size = Math.min(1024, Math.max(64, Math.round(side)));
  const canvas = element("canvas", { width: size, height: size });
  canvas.getContext("2d").drawImage(photo.bitmap, x, y, side, side, 0, 0, size, size);
  return canvas.toDataURL("image/png").split(",")[1];
}

async function take(file) {
  if (!file) return;
  try {
    const bitmap = await createImageBitmap(file, { imageOrientation: "from-image" });
    const known = ["image/png", "image/jpeg", "image/webp", "image/gif"].includes(file.type) && file.size < 8e6 && bitmap.width * bitmap.height < 2.4e7;
    if (photo) URL.revokeObjectURL(photo.address);
    const canvas = element("canvas", { width: bitmap.width, height: bitmap.height });
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    const shown = await new Promise((done) => canvas.toBlob(done, "image/png"));
    photo = { bitmap, address: URL.createObjectURL(shown), whole: known ? await base64(file) : null };
    $("photo-note").textContent = ready.model === "storybook" ? "This model has never seen a photograph: expect nonsense. With numpygit play --model microsoft/git-base-coco it is another matter." : "";
    store.change({ mode: "photo", brush: [], zoom: 1, panX: 0, panY: 0 });
  } catch {
    complain(new Error("That is no picture which this browser can read."));
  }
}

function base64(file) {
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.split(",")[1]);
    reader.onerror = fail;
    reader.readAsDataURL(file);
  });
}

// ------------------------------------------------------------------ the state is shown

function onChange(state, live) {
  $("hint").hidden = true;
  stage.draw();
  controls(state);
  if (!live || state.mode === "photo" || !state.sign) showBack(state);
  else showBack(state);
  measure.forget();
  if (state.mode === "scene") { look.frame = Math.min(look.frame, state.frames.length - 1); film(state.frames.length, state.frame); }
  else if (state.mode === "photo") $("film").hidden = true;
  ask(live);
}

function controls(state) {
  for (const b of document.querySelectorAll("[data-mode]")) b.setAttribute("aria-pressed", b.dataset.mode === state.mode);
  for (const [id, mode] of [["compose", "scene"], ["examples", "example"], ["photo", "photo"]]) $(id).hidden = state.mode !== mode;
  $("undo").disabled = !store.past.length;
  $("redo").disabled = !store.future.length;
  $("night").setAttribute("aria-pressed", state.night);
  $("clip").setAttribute("aria-pressed", state.frames.length > 1);
  $("brush").setAttribute("aria-pressed", stage.brushing);
  if (document.activeElement !== $("sign")) $("sign").value = state.sign;
  if (document.activeElement !== $("question")) $("question").value = state.question;
  $("zoom").value = state.zoom;
  for (const b of $("examples").children) b.setAttribute("aria-pressed", b.dataset.name === state.example);
  switches(state);
}

function switches(state) {
  const off = new Set(state.heads_off.map(String)), layers = new Set(state.layers_off);
  for (const b of document.querySelectorAll("#switches [data-head]")) b.setAttribute("aria-pressed", !off.has(b.dataset.head));
  for (const b of document.querySelectorAll("#switches [data-layer]")) b.setAttribute("aria-pressed", !layers.has(+b.dataset.layer));
  $("beams").value = state.beams;
  $("beams-value").textContent = state.beams === 1 ? "1: the likeliest word each time" : `${state.beams}: several beginnings at once`;
  $("temperature").value = state.temperature;
  $("temperature-value").textContent = state.beams > 1 ? "not with beams" : state.temperature ? `${state.temperature}: words are drawn` : "0: the likeliest word";
  $("random").checked = state.random_weights;
  const changed = off.size || layers.size || state.beams > 1 || state.temperature || state.random_weights;
  $("as-it-was").disabled = !changed;
  $("tab-change").classList.toggle("active", Boolean(changed));
}

// ------------------------------------------------------------------ building

function build() {
  $("model-name").textContent = ready.model;
  $("home-note").textContent = home() === "browser" ? "Python, NumPy and the model run inside this page; nothing leaves it." : "This page is answered by Python on this machine.";
  let color = "blue";
  const trayStickers = () => $("stickers").replaceChildren(...ready.things.map((kind) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "-15 -15 30 30");
    svg.setAttribute("aria-hidden", "true");
    svg.append(stage.sticker({ kind, color }, 11.5));
    return element("button", { type: "button", class: "sticker-button", title: `add a ${color} ${kind}`, "aria-label": `add a ${color} ${kind}`, "data-kind": kind, onclick: () => stage.add(kind, color) }, svg);
  }));
  trayStickers();
  $("colors").replaceChildren(...Object.entries(ready.colors).map(([name, rgb]) => {
    const dot = element("button", { type: "button", class: "dot", title: name, "aria-label": name, "data-color": name, "aria-pressed": String(name === color), onclick: () => {
      color = name;
      for (const other of $("colors").children) other.setAttribute("aria-pressed", other === dot);
      trayStickers();
      if (stage.selected >= 0 && store.things[stage.selected]) stage.edit(stage.selected, { color });
    } });
    dot.style.background = `rgb(${rgb})`;
    return dot;
  }));
  const NAMES = { "clip.gif": "a clip", "count.png": "counting", "relation.png": "in front", "row.png": "a row", "sign.png": "a sign" };
  $("examples").replaceChildren(...ready.examples.map((name) => element("button", { type: "button", "data-name": name, onclick: () => store.change({ mode: "example", example: name, brush: [] }) }, NAMES[name] || name)));
  const asked = ["what is above the house?", "what color is the cat?", "is there a tree?", "how many stickers are there?", "how many animals are there?", "is it day or night?", "what does the sign say?"];
  $("questions").replaceChildren(...asked.map((value) => element("option", { value })));
  buildSwitches();
}

function buildSwitches() {
  const { layers, heads } = ready;
  const grid = element("div", { id: "switches", role: "group", "aria-label": "Heads and layers that are on" });
  grid.style.gridTemplateColumns = `auto repeat(${heads}, minmax(0, 1fr))`;
  const toggle = (list, value) => list.some((v) => String(v) === String(value)) ? list.filter((v) => String(v) !== String(value)) : [...list, value];
  for (let layer = 0; layer < layers; layer++) {
    grid.append(element("button", { type: "button", "data-layer": layer, "aria-label": `layer ${layer}`, onclick: () => {
      const layers_off = toggle(store.now.layers_off, layer);
      if (layers_off.length === layers) return complain(new Error("One layer must stay on."));
      store.change({ layers_off });
    } }, `layer ${layer}`));
    for (let head = 0; head < heads; head++) grid.append(element("button", { type: "button", "data-head": `${layer},${head}`, "aria-label": `layer ${layer}, head ${head}`, "data-tensor": `text.${layer}.mixed`,
      onclick: () => store.change({ heads_off: toggle(store.now.heads_off, [layer, head]) }) }, `${head}`));
  }
  const range = (id, min, max, step, label) => element("label", { class: "slider" }, element("span", {}, label), element("input", { id, type: "range", min, max, step }), element("output", { id: `${id}-value`, for: id }));
  $("panel-change").replaceChildren(
    element("p", {}, "Switch off heads of attention, or whole layers of the text decoder, and see what the sentence needs them for."),
    grid, range("beams", 1, 5, 1, "beams"), range("temperature", 0, 3, 0.1, "temperature"),
    element("p", { class: "row" },
      element("button", { type: "button", id: "dice", title: "Draw again with other chances" }, "⚄ draw again"),
      element("label", { class: "check" }, element("input", { type: "checkbox", id: "random" }), " random weights"),
      element("button", { type: "button", id: "as-it-was" }, "as it was")));
  $("beams").addEventListener("change", (e) => store.change({ beams: +e.target.value }));
  $("temperature").addEventListener("change", (e) => store.change({ temperature: +e.target.value }));
  $("dice").addEventListener("click", () => store.change({ seed: (store.now.seed + 1) % 1e6, temperature: store.now.temperature || 1.5, beams: 1 }));
  $("random").addEventListener("change", (e) => store.change({ random_weights: e.target.checked }));
  $("as-it-was").addEventListener("click", () => store.change({ heads_off: [], layers_off: [], beams: 1, temperature: 0, random_weights: false }));
}

function listen() {
  for (const b of document.querySelectorAll("[data-mode]")) b.addEventListener("click", () => { stage.selected = -1; store.change({ mode: b.dataset.mode, brush: [] }); });
  for (const b of document.querySelectorAll("[data-do]")) b.addEventListener("click", () => stage.act(b.dataset.do));
  const brush = () => { stage.brushing = !stage.brushing; stage.selected = -1; stage.draw(); controls(store.now); tell(stage.brushing ? "brush on: drag over the picture" : "brush off"); };
  $("brush").addEventListener("click", brush);
  $("unbrush").addEventListener("click", () => store.change({ brush: [] }));
  $("night").addEventListener("click", () => store.change({ night: !store.now.night }));
  $("land").addEventListener("click", () => store.change({ backdrop: (store.now.backdrop * 7 + 11) % 9973 }));
  $("clip").addEventListener("click", () => {
    const { frames } = store.now;
    look.frame = 0;
    store.change(frames.length > 1 ? { frames: [frames[0]], frame: 0 } : { frames: Array.from({ length: 4 }, (_, i) => structuredClone(frames[0]).slice(0, 1).map((t) => ({ ...t, x: 0.2 + 0.2 * i }))), frame: 0, sign: "" });
  });
  $("sign").addEventListener("input", (e) => {
    const sign = e.target.value.toLowerCase().replace(/[^a-z0-9]/g, "").slice(0, 8);
    e.target.value = sign;
    store.change({ sign });
  });
  $("zoom").addEventListener("input", (e) => store.change({ zoom: +e.target.value }, { live: true }));
  $("zoom").addEventListener("change", () => store.change({}));
  for (const id of ["file", "camera"]) $(id).addEventListener("change", (e) => { take(e.target.files[0]); e.target.value = ""; });
  $("ask").addEventListener("submit", (e) => { e.preventDefault(); store.change({ question: $("question").value.trim() }); });
  $("question").addEventListener("change", (e) => { if (!e.target.value.trim() && store.now.question) store.change({ question: "" }); });
  $("undo").addEventListener("click", () => { stage.selected = -1; store.undo(); });
  $("redo").addEventListener("click", () => { stage.selected = -1; store.redo(); });
  $("link").addEventListener("click", copyLink);
  $("explain").addEventListener("click", saveExplanation);
  $("pin").addEventListener("click", () => {
    pinned = pinned ? null : before;
    $("pin").setAttribute("aria-pressed", Boolean(pinned));
  });
  document.addEventListener("dragover", (e) => { e.preventDefault(); document.body.classList.add("dropping"); });
  document.addEventListener("dragleave", (e) => { if (!e.relatedTarget) document.body.classList.remove("dropping"); });
  document.addEventListener("drop", (e) => { e.preventDefault(); document.body.classList.remove("dropping"); take(e.dataTransfer.files[0]); });
  document.addEventListener("paste", (e) => { const file = [...e.clipboardData.files][0]; if (file) take(file); });
  document.addEventListener("keydown", (e) => {
    const writing = e.target.closest?.("input:not([type=range]):not([type=checkbox]), textarea, select");
    if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "z" && !writing) { e.preventDefault(); stage.selected = -1; if (e.shiftKey) store.redo(); else store.undo(); }
    else if (e.key === "b" && !writing && !e.ctrlKey && !e.metaKey) brush();
    else if (e.key === "Escape" && stage.brushing) brush();
  });
  window.addEventListener("hashchange", () => location.reload()); // another link in the same tab
  tabs();
}

function tabs() {
  const all = [...document.querySelectorAll("[role=tab]")];
  const open = (tab) => {
    for (const each of all) {
      const chosen = each === tab;
      each.setAttribute("aria-selected", chosen);
      each.tabIndex = chosen ? 0 : -1;
      $(each.getAttribute("aria-controls")).hidden = !chosen;
    }
    if (words.word) choose(words.word);
    if (tab.id === "tab-code") code.show(code.tensor || "text.{i}.weights");
  };
  all.forEach((tab, i) => {
    tab.addEventListener("click", () => open(tab));
    tab.addEventListener("keydown", (e) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: all.length - 1 }[e.key];
      if (to === undefined) return;
      e.preventDefault();
      const next = all[(to + all.length) % all.length];
      open(next);
      next.focus();
    });
  });
  page.open = (name) => open($(`tab-${name}`));
}

async function copyLink() {
  const link = new URL(address(store.now), location.href).href;
  try { await navigator.clipboard.writeText(link); status("the address was copied"); }
  catch { status("copy the address of this page: it repeats the experiment"); }
  if (store.now.mode === "photo") status("a photograph stays here: the address repeats all but it");
}

async function saveExplanation() {
  status("writing the explanation …", true);
  try {
    const state = store.now;
    await server.ask({ op: "explain", ...message(state, state.mode === "photo" ? await photoFile(state) : "") }, (event) => {
      const at = URL.createObjectURL(new Blob([event.html], { type: "text/html" }));
      element("a", { href: at, download: "explanation.html" }).click();
      setTimeout(() => URL.revokeObjectURL(at), 1000);
      page.explained = event.html.length;
    });
    status("saved as explanation.html");
  } catch (error) { complain(error); status("ready"); }
}

// ------------------------------------------------------------------ what lessons and tests may do

Object.assign(page, {
  run: () => run,
  chosen: () => words.chosen,
  change: (parts) => { store.change(parts); },
  async begin(set) {
    before = pinned = null;
    stage.selected = -1;
    stage.brushing = false;
    store.change({ ...structuredClone(FRESH), ...set });
    await settled();
    return run;
  },
  pictureShare(i) {
    const word = look.prepare(run.words[i]);
    return look.split(look.weights(word, "all", "all"), word).picture;
  },
  async reads(image, word) { // how many columns for words the image tokens' scores have
    let columns = 0, rows = 0;
    const asked = message(store.now, "");
    await server.ask({ op: "tensor", name: image, ...asked }, (t) => { [rows, columns] = t.shape.slice(-2); });
    await server.ask({ op: "tensor", name: word, ...asked }, (t) => { if (t.shape.at(-1) !== rows + 1) columns = -1; });
    return columns - rows;
  },
});

async function settled() { while (current) await current.promise; }

async function main() {
  const loading = home() === "browser";
  $("loading").hidden = !loading;
  server = connect(({ progress, text, failed }) => {
    $("loading-bar").value = progress ?? 0;
    if (text) status(text + " …", true);
    if (failed) { complain(new Error(failed)); status("could not start"); }
  });
  await server.ask({ op: "hello" }, (event) => { ready = event; });
  $("loading").hidden = true;
  store = new Store(onChange);
  if (store.now.frame >= store.now.frames.length) store.now.frame = 0;
  stage = new Stage(store, ready, tell);
  words = new Words(choose);
  look = new Look(ready, stage);
  measure = new Measure(stage, async (op, each, signal) => {
    const state = run.state;
    return server.ask({ op, ...message(state, state.mode === "photo" ? await photoFile(state) : "") }, each, signal);
  });
  measure.frame = () => look.frame;
  measure.choose = (word) => words.choose(word.index);
  code = new Code(ready, async (what, each, aboutRun) => {
    const state = run?.state || store.now;
    const more = aboutRun ? message(state, state.mode === "photo" ? await photoFile(state) : "") : {};
    return server.ask({ ...what, ...more }, each);
  }, async () => {
    await ask();
    await settled();
    if (page.failed && !(page.failed instanceof Stopped)) throw page.failed;
    return run.text;
  }, async () => {
    again = false;
    server.restart();
    await settled();
    await server.ask({ op: "hello" }, () => {});
    await ask();
    await settled();
    return run.text;
  });
  build();
  lessons = new Lessons(page);
  listen();
  stage.draw();
  controls(store.now);
  film(store.now.mode === "scene" ? store.now.frames.length : 1, store.now.frame);
  showBack(store.now);
  Object.assign(page, { store, settled, vocabulary: ready.vocabulary });
  window.playground = page; // for tests, and for the curious in the console
  await ask();
  document.documentElement.dataset.ready = "yes";
}

main().catch((error) => { complain(error); status("could not start"); });
