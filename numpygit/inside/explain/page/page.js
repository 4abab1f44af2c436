"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const [ROWS, COLUMNS] = D.seen.grid, P = ROWS * COLUMNS, FRAMES = D.seen.pictures.length;
const $ = (id) => document.getElementById(id);
const state = { asked: null, word: 0, layer: "all", head: "mean", frame: 0, heat: 9, patch: 0, seer: 0, norm: 0 };
const drawers = {};

// ---------------------------------------------------------------- small tools

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "style") made.style.cssText = value;
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.flat());
  return made;
}

async function inflate(letters) {
  const bytes = Uint8Array.from(atob(letters), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

async function unpack(packed) {
  if (!packed) return null;
  packed.steps = await inflate(packed.bytes);
  if (packed.highest) packed.tops = new Float32Array((await inflate(packed.highest)).buffer);
  if (packed.parts) packed.sums = new Float32Array((await inflate(packed.parts)).buffer);
  return packed;
}

// one row of the last axis; places are those of all axes before it
function row(packed, ...places) {
  let at = 0;
  places.forEach((place, axis) => { at = at * packed.shape[axis] + place; });
  const length = packed.shape[packed.shape.length - 1], top = packed.tops[at];
  return Float32Array.from(packed.steps.subarray(at * length, (at + 1) * length), (s) => s * top / packed.levels);
}

// what a row gives to the squares and to the class token of each frame, and to words: not rounded to bytes
function sums(packed, ...places) {
  let at = 0;
  places.forEach((place, axis) => { at = at * packed.shape[axis] + place; });
  const own = packed.sums.subarray(at * (2 * FRAMES + 1), (at + 1) * (2 * FRAMES + 1));
  return { squares: own.subarray(0, FRAMES), classes: own.subarray(FRAMES, 2 * FRAMES), words: own[2 * FRAMES] };
}

const percent = (share) => share >= 0.9995 ? (share >= 1 ? "100 %" : "> 99.9 %")
  : share >= 0.0995 && share < 0.985 ? `${(share * 100).toFixed(0)} %` : share >= 0.001 ? `${(share * 100).toFixed(1)} %` : "< 0.1 %";
const fixed = (number, digits = 4) => number == null ? "−∞"
  : number.toPrecision(digits).replace("-", "−");
const text = (number) => number == null ? "−∞" : String(number).replace("-", "−");
const shown = (token) => ({ "[CLS]": "start", "[SEP]": "end" })[token] ?? token.replace(/^##/, "");
const piece = (token) => token.startsWith("##") ? `…${shown(token)}` : shown(token);  // of a longer word
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779",
  "#6ece58", "#b5de2b", "#fde725"].map((c) => [1, 3, 5].map((i) => parseInt(c.slice(i, i + 2), 16)));
function viridis(share) {
  const at = Math.min(1, Math.max(0, share)) * (VIRIDIS.length - 1), low = Math.floor(at);
  const high = Math.min(low + 1, VIRIDIS.length - 1);
  return VIRIDIS[low].map((c, i) => Math.round(c + (VIRIDIS[high][i] - c) * (at - low)));
}
// black or white, whichever stands out more (relative luminance of WCAG)
function readableOn(colour) {
  const [r, g, b] = colour.map((c) => c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.179 ? "#000" : "#fff";
}
const rgb = ([r, g, b]) => `rgb(${r},${g},${b})`;
// orange: the word loses; blue: it gains; both readable without red and green
const signed = (share) => share >= 0 ? `rgba(230,97,1,${Math.min(1, share)})`
  : `rgba(20,90,190,${Math.min(1, -share)})`;

const pictures = D.seen.pictures.map((address) => {
  const image = new Image();
  image.src = address;
  return image;
});
const [PIXELS_HIGH, PIXELS_WIDE] = D.seen.pixels.slice(-2);
const SIDE_X = D.seen.patch / PIXELS_WIDE, SIDE_Y = D.seen.patch / PIXELS_HIGH;
const UP = Math.max(1, Math.round(480 / PIXELS_WIDE));

function canvas(label, attributes = {}) {
  const made = el("canvas", { role: "img", "aria-label": label, ...attributes });
  made.width = PIXELS_WIDE * UP;
  made.height = PIXELS_HIGH * UP;
  return made;
}

// the picture with a colour over every patch: paint(patch) -> a css colour, or null
function overlay(target, frame, paint, { grey = false } = {}) {
  const pen = target.getContext("2d"), width = target.width, height = target.height;
  pen.clearRect(0, 0, width, height);
  pen.filter = grey ? "grayscale(1) brightness(0.55)" : "none";
  pen.drawImage(pictures[frame], 0, 0, width, height);
  pen.filter = "none";
  for (let patch = 0; patch < P; patch++) {
    const colour = paint(patch);
    if (!colour) continue;
    pen.fillStyle = colour;
    const x = Math.round((patch % COLUMNS) * SIDE_X * width);
    const y = Math.round(Math.floor(patch / COLUMNS) * SIDE_Y * height);
    const right = Math.round((patch % COLUMNS + 1) * SIDE_X * width);
    const below = Math.round((Math.floor(patch / COLUMNS) + 1) * SIDE_Y * height);
    pen.fillRect(x, y, right - x, below - y);
  }
  return pen;
}

function outline(target, patch) {
  const pen = target.getContext("2d");
  pen.strokeStyle = "#f0c419";
  pen.lineWidth = target.width / 120;
  pen.strokeRect((patch % COLUMNS) * SIDE_X * target.width,
    Math.floor(patch / COLUMNS) * SIDE_Y * target.height,
    SIDE_X * target.width, SIDE_Y * target.height);
}

// what may be wider than the screen: its shadow says so, and the keyboard can scroll it
const scroll = (label, ...children) =>
  el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, ...children);

function patchAt(event) {
  const box = event.target.getBoundingClientRect();
  const column = Math.floor((event.clientX - box.left) / box.width / SIDE_X);
  const line = Math.floor((event.clientY - box.top) / box.height / SIDE_Y);
  return column < 0 || line < 0 || column >= COLUMNS || line >= ROWS ? null : line * COLUMNS + column;
}
const place = (patch) => `row ${Math.floor(patch / COLUMNS) + 1}, column ${patch % COLUMNS + 1}`;

// small matrix of colours, one pixel a cell
function matrixMap(target, values, width, height) {
  target.width = width;
  target.height = height;
  const pen = target.getContext("2d"), image = pen.createImageData(width, height);
  const top = Math.max(...values) || 1;
  values.forEach((value, i) => { image.data.set([...viridis(value / top), 255], i * 4); });
  pen.putImageData(image, 0, 0);
}

// ---------------------------------------------------------------- the first screen

// where the chosen word looked: weights of image tokens, then of words; or, with `sums`, their sums
function looked(word, layer = state.layer, head = state.head, read = row) {
  return state.asked !== null ? read(D.asked, state.asked) : ofWord(word, layer, head, read);
}
function ofWord(word, layer, head, read = row) {
  const a = D.attention;
  if (layer === "all") return read(a.all_layers, word);
  if (head === "mean" || layer < a.first_layer_with_heads) return read(a.means, layer, word);
  return read(a.heads, layer - a.first_layer_with_heads, head, word);
}
const allHeads = (word) => row(D.attention.all_layers, word);
const patchWeights = (weights, frame) => weights.subarray(frame * (P + 1) + 1, (frame + 1) * (P + 1));
const highestPatch = (weights) =>
  Math.max(...pictures.map((_, frame) => Math.max(...patchWeights(weights, frame)))) || 1;
// what was read before a word: the prompt, then the words said before it
const readBefore = (word) => [...D.prompt, ...D.words.slice(0, word).map((w) => w.token)];
const said = (word) => word.is_end ? "end" : shown(word.token);

function setUp() {
  $("about").textContent = `How ${D.model} ${D.question ? "answered about" : "captioned"} ` +
    `${D.name || "this picture"}, in its own numbers.`;
  if (D.asked) {
    $("asked").append("asked: ", ...D.prompt.map((token, i) => el("button", {
      onclick: () => ask(i), "aria-pressed": false, title: "where did this word look?" }, shown(token), " ")));
  }
  D.words.forEach((word, i) => $("bar").append(el("button", { onclick: () => choose(i) }, said(word))));
  new IntersectionObserver(([seen]) => { $("bar").hidden = seen.isIntersecting; }).observe($("words"));
  D.words.forEach((word, i) => {
    const glued = word.token.startsWith("##") || /^[.,?!']$/.test(word.token);
    if (i && !glued) $("words").append(" ");
    $("words").append(el("button", {
      class: word.is_end ? "end" : glued ? "glued" : "", onclick: () => choose(i),
      title: word.is_end ? "the end token: here the model stopped" : "where did this word look?",
    }, said(word), el("i")));
  });
  if (D.words.length > 14) $("words").className = "long";
  if (FRAMES > 1) $("frames").className = "several";
  pictures.forEach((_, frame) => {
    const made = canvas(`the picture, bright where the chosen word looked`);
    made.addEventListener("pointermove", (event) => spot(event, frame));
    made.addEventListener("click", (event) => spot(event, frame));
    $("frames").append(FRAMES > 1 ? el("figure", {}, made,
      el("figcaption", {}, `frame ${frame + 1} of ${FRAMES}`)) : made);
  });
  const layers = Array.from({ length: D.layers }, (_, i) => el("option", { value: i }, i + 1));
  $("layer").append(el("option", { value: "all" }, `mean of all ${D.layers}`), ...layers);
  $("layer").addEventListener("change", (e) => setLayer(e.target.value === "all" ? "all" : +e.target.value));
  $("head").addEventListener("change", (e) => setHead(e.target.value === "mean" ? "mean" : +e.target.value));
  // the same curve as that of the squares: `shade`
  const stops = Array.from({ length: 11 }, (_, i) => `rgb(${[34, 34, 34].map((dark, c) =>
    Math.round([245, 243, 236][c] + (dark - [245, 243, 236][c]) * (1 - Math.sqrt(i / 10)))).join(",")}) ${i * 10}%`);
  $("scale").style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
  $("play").addEventListener("click", play);
  document.addEventListener("keydown", keys);
}

function ask(i) {
  state.asked = i;
  draw();
}
function choose(word) {
  state.asked = null;
  state.word = (word + D.words.length) % D.words.length;
  draw();
}
function setLayer(layer) {
  state.layer = layer;
  if (layer === "all" || layer < D.attention.first_layer_with_heads) state.head = "mean";
  draw();
}
function setHead(head) {
  if (head !== "mean" && state.layer === "all") state.layer = D.layers - 1;
  if (state.layer < D.attention.first_layer_with_heads) state.layer = D.layers - 1;
  state.head = D.attention.heads ? head : "mean";
  draw();
}
function turn(list, now, by) {
  return list[(list.indexOf(now) + by + list.length) % list.length];
}

function keys(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.target.dataset.keys) return;
  const layers = ["all", ...Array(D.layers).keys()];
  const heads = ["mean", ...Array(D.attention.head_count).keys()];
  const above = window.scrollY < $("look").offsetTop + $("look").offsetHeight / 2;
  if (event.key === "ArrowRight") choose(state.word + 1);
  else if (event.key === "ArrowLeft") choose(state.word - 1);
  else if (event.key === "ArrowUp" && above) setLayer(turn(layers, state.layer, 1));
  else if (event.key === "ArrowDown" && above) setLayer(turn(layers, state.layer, -1));
  else if (event.key === ".") setHead(turn(heads, state.head, 1));
  else if (event.key === ",") setHead(turn(heads, state.head, -1));
  else return;
  event.preventDefault();
}

let playing = null;
function play() {
  if (playing) { clearInterval(playing); playing = null; $("play").textContent = "▶ play"; return; }
  $("play").textContent = "■ stop";
  choose(state.word + 1);
  playing = setInterval(() => choose(state.word + 1), 1100);
}

// how dark a square is that has this share of the highest: brightness grows as the square root
const shade = (share) => `rgba(8,8,14,${0.86 * (1 - Math.sqrt(share))})`;

function drawLook() {
  const weights = looked(state.word), top = highestPatch(weights);
  document.querySelectorAll("#frames canvas").forEach((target, frame) => {
    const shares = patchWeights(weights, frame);
    overlay(target, frame, (patch) => shade(shares[patch] / top));
  });
  const onWords = weights.subarray(D.memory), before = readBefore(state.word);
  const parts = looked(state.word, state.layer, state.head, sums), share = (value) => Math.min(1, value);
  const reader = shown(before[before.length - 1]), word = D.words[state.word];
  const favourite = [...onWords].indexOf(Math.max(...onWords));
  const reading = $("reading");
  const many = FRAMES > 1 ? `all ${FRAMES * P} squares of all frames` : `all ${P} squares of the picture`;
  const where = `${percent(share(sum([...parts.squares])))} of its attention is on ${many} together, ` +
    `${percent(share(sum([...parts.classes])))} on the ${FRAMES > 1 ? "class tokens, which stand for whole frames" :
      "class token, which stands for the picture as a whole"}, `;
  if (state.asked !== null) {
    reading.replaceChildren(`While the question was read, “${shown(D.prompt[state.asked])}” looked back: `,
      `${where}${percent(share(parts.words))} on words up to itself (mean of all layers and heads).`);
  } else reading.replaceChildren(
    `Having read “${reader}”, the model says `, el("b", {}, word.is_end ? "nothing more" : said(word)),
    ` (${percent(Math.exp(word.log_probability))} sure). ${where}`,
    `${percent(share(parts.words))} on words, most of it on “${shown(before[favourite])}”.`);
  const buttons = [...$("words").querySelectorAll("button")];
  buttons.forEach((button, i) => {
    button.setAttribute("aria-pressed", i === state.word && state.asked === null);
    const weight = i < state.word ? onWords[D.prompt.length + i] : 0;
    button.querySelector("i").style.width = `${100 * Math.min(1, share(weight) * 3)}%`;
  });
  [...$("bar").children].forEach((button, i) => button.setAttribute("aria-pressed", i === state.word));
  [...$("asked").querySelectorAll("button")].forEach((button, i) =>
    button.setAttribute("aria-pressed", i === state.asked));
  $("most").textContent = `${percent(top)}, the brightest square`;
  const isMean = state.asked !== null;
  $("layer").disabled = $("head").disabled = isMean;
  $("layer").value = state.layer;
  const heads = state.layer === "all" || state.layer < D.attention.first_layer_with_heads
    ? 0 : D.attention.head_count;
  const options = [el("option", { value: "mean" }, `mean of all ${D.attention.head_count}`)];
  for (let i = 0; i < heads; i++) options.push(el("option", { value: i }, i + 1));
  $("head").replaceChildren(...options);
  $("head").value = state.head;
  $("spot").textContent = "Touch a square to read its share. Gold bars show earlier words it looked at.";
}

function spot(event, frame) {
  const patch = patchAt(event);
  if (patch === null) return;
  const weight = patchWeights(looked(state.word), frame)[patch];
  $("spot").textContent = `${FRAMES > 1 ? `Frame ${frame + 1}, ` : ""}${place(patch)}: ` +
    `${(weight * 100).toFixed(2)} % of the attention.`;
}

// ---------------------------------------------------------------- panels

function panel(id, title, teaser, build, { open = false } = {}) {
  const inside = el("div", { class: "inside" });
  const made = el("details", { class: "panel", id, open: open ? "" : null },
    el("summary", {}, el("h2", {}, title), el("span", {}, teaser)), inside);
  let redraw = null;
  drawers[id] = () => {
    if (!made.open) return;
    redraw = redraw || build(inside) || (() => {});
    redraw();
  };
  made.addEventListener("toggle", () => drawers[id]());
  $("panels").append(made);
}

function frameChoice() {
  if (FRAMES === 1) return "";
  const made = el("select", { "aria-label": "frame of the clip", onchange: (e) => { state.frame = +e.target.value; draw(); } },
    pictures.map((_, i) => el("option", { value: i }, `frame ${i + 1}`)));
  return el("p", {}, made);
}

const PANELS = {
  else: "What else it might have said", follow: "Follow one tensor", seen: "What the model saw",
  mask: "Who may look at whom", heads: "All heads at once", vision: "Inside the vision encoder",
};

function buildMap(inside) {
  const open = (id) => (event) => { event.preventDefault(); location.hash = ""; location.hash = id; };
  inside.append(el("ol", { class: "map-steps" }, D.map.map((stop) => el("li", {}, el("h3", {}, stop.title),
    el("span", { class: "num" }, stop.shape), el("p", {}, stop.sentence),
    el("a", { href: `#${stop.panel}`, onclick: open(stop.panel) }, `see ${PANELS[stop.panel]}`)))));
  return null;
}

const length = (share) => Math.max(0, 100 * (1 + Math.log10(Math.max(share, 1e-9)) / 6));
const chance = (share) => share >= 0.001 ? percent(share) : share < 1e-9 ? "less than 1 in a billion"
  : `1 in ${Number((1 / share).toPrecision(2)).toLocaleString("en")}`;

function buildElse(inside) {
  const sentence = el("p"), bars = el("div", { class: "bars" }), stopped = el("p");
  const reading = el("output", { class: "num" });
  const slider = el("input", {
    type: "range", min: 0, max: D.temperatures.length - 1, value: state.heat, id: "temperature",
    oninput: (e) => { state.heat = +e.target.value; draw(); },
  });
  inside.append(sentence, bars, el("p", { class: "note" }, "Bars are logarithmic: a tenth of the probability is a sixth of the line less."),
    el("p", {}, el("label", {}, "temperature ", slider, " "), reading),
    el("p", { class: "note" }, "Scores are divided by the temperature before softmax makes them probabilities. " +
      "Below 1 the best word wins more often, above 1 the others get a chance. Captions here take " +
      "the best word, so the temperature changes no word of them."), stopped);
  return () => {
    const word = D.words[state.word], t = D.temperatures[state.heat];
    const share = (rival) => Math.exp(Math.fround(rival.logit) / t - word.log_sums[state.heat]);
    const all = word.rivals.map(share), rest = Math.max(0, 1 - sum(all));
    reading.textContent = t.toFixed(1);
    sentence.textContent = `After “${readBefore(state.word).slice(1).map(shown).join(" ") || "start"}” ` +
      `it might have said:`;
    bars.replaceChildren(...word.rivals.flatMap((rival, i) => [
      el("span", { class: "rival" }, piece(rival.token)),
      el("b", { class: rival.token === word.token ? "chosen" : "", style: `width:${length(all[i])}%` }),
      el("span", { class: "num", title: `score ${rival.logit}`, "data-share": all[i] }, chance(all[i]))]),
      el("span", { class: "note" }, "all others"), el("b", { style: `width:${length(rest)}%` }),
      el("span", { class: "num" }, chance(rest)));
    const last = D.words[D.words.length - 1];
    stopped.textContent = D.finished
      ? `Why it stopped: after “${shown(readBefore(D.words.length - 1).at(-1))}” the likeliest token ` +
        `was the end token, with ${percent(Math.exp(last.log_probability))}.`
      : `Why it stopped: ${D.words.length} words were allowed, and the end token had not come.`;
  };
}

function buildStages(inside) {
  inside.append(el("p", {}, "From the pixels to the chosen word, one stop after the other. The ",
    "small pictures show each array shrunk, dark for its lowest number and bright for its highest."));
  const list = el("div");
  inside.append(list);
  let before = null;
  const stop = (stage, count) => {
    const small = el("canvas", { class: "map", "aria-label": `${stage.name}, small`, role: "img" });
    const [height, width] = stage.small.shape;
    matrixMap(small, [...stage.small.steps], width, height);
    small.style.height = `${stage.of[0] === 1 ? 14 : Math.max(14, Math.min(90, 120 * stage.of[0] / stage.of[1]))}px`;
    const corner = el("table", { class: "numbers" }, stage.corner.map((line) =>
      el("tr", {}, line.map((number) => el("td", {}, text(number))))));
    const of = `the first ${stage.corner.length} × ${stage.corner[0].length} of ` +
      `${stage.of.join(" × ")}` + (stage.shape.length > 2 && sum(stage.shape.slice(0, -2)) >
        stage.shape.length - 2 ? ", in the first of the other axes" : "");
    return el("div", { class: "stage" }, el("span", { class: "count" }, count), el("div", {}, small),
      el("div", {}, el("p", {}, el("code", {}, stage.name), " ",
        el("span", { class: "num" }, `(${stage.shape.join(", ")}${stage.shape.length === 1 ? "," : ""})`)),
      el("p", {}, stage.sentence + (stage.name.endsWith(".word") ? ` ${stage.corner[0][0]} is “${said(D.words[state.word])}”.` : "")),
      el("p", { class: "note" }, `${stage.letters} · from ${fixed(stage.low)} to ${fixed(stage.high)} · `,
        el("code", {}, stage.where)),
      el("details", {}, el("summary", {}, "numbers"), el("p", { class: "note" }, of),
        scroll(`numbers of ${stage.name}`, corner))));
  };
  return () => {
    if (before === state.word) return;
    before = state.word;
    const all = [...D.stages.picture, ...D.stages.words[state.word]];
    list.replaceChildren(...all.map((stage, i) => stop(stage, i + 1)));
  };
}

const FITS = {
  crop: "It is resized, and its middle is cut out: what lies outside the gold frame is lost.",
  squash: "It is brought to the size of the model as a whole, whatever its proportions are.",
  pad: "It is resized as a whole, and what the gold frame has beyond it is filled with the mean colour.",
  whole: "It is resized as a whole; what lies outside the gold frame does not fill a square and is lost.",
};

function buildSeen(inside) {
  inside.append(el("p", {}, `The model never sees the picture itself. ${FITS[D.seen.fit]} ` +
    `What is left is cut into ${ROWS} × ${COLUMNS} squares of ${D.seen.patch} × ${D.seen.patch} pixels.`));
  D.seen.originals.forEach((address, frame) => {
    const [width, height] = D.seen.sizes[frame], { resized, box } = D.seen.kept[frame];
    const cut = el("i", { style: `left:${box[0] * 100}%;top:${box[1] * 100}%;` +
      `width:${box[2] * 100}%;height:${box[3] * 100}%` });
    const grid = canvas("the squares that the model sees");
    const beyond = [Math.max(0, -box[0]), Math.max(0, -box[1])], part = 100 / (1 + 2 * beyond[0]);
    const room = `margin:${part * beyond[1] * resized[1] / resized[0]}% ${part * beyond[0]}%`;
    const lost = 1 - Math.min(1, box[2]) * Math.min(1, box[3]);
    inside.append(el("div", { class: "pair", style: "margin-bottom:16px" },
      el("figure", {}, el("div", { class: "original" }, el("div", { style: room },
        el("img", { src: address, alt: "the picture as it was given" }), cut)),
      el("figcaption", {}, `${FRAMES > 1 ? `frame ${frame + 1}, ` : ""}as given: ${width} × ${height} ` +
        `pixels, resized to ${resized[0]} × ${resized[1]}; ${lost < 0.001 ? "nothing is lost at the borders"
          : `${percent(lost)} of it is lost at the borders`}`)),
      el("figure", {}, grid, el("figcaption", {}, `as the model has it: ${PIXELS_WIDE} × ` +
        `${PIXELS_HIGH} pixels, ${P} squares`))));
    overlay(grid, frame, () => null);
    const pen = grid.getContext("2d");
    pen.strokeStyle = "rgba(255,255,255,.75)";
    for (let patch = 0; patch < P; patch++) {
      pen.strokeRect((patch % COLUMNS) * SIDE_X * grid.width,
        Math.floor(patch / COLUMNS) * SIDE_Y * grid.height, SIDE_X * grid.width, SIDE_Y * grid.height);
    }
  });
}

// drop of the log-probability, for the region that a patch lies in
function dropAt(drops, patch) {
  const { rows, columns } = D.importance;
  const line = rows.findIndex((edge) => edge > Math.floor(patch / COLUMNS)) - 1;
  const column = columns.findIndex((edge) => edge > patch % COLUMNS) - 1;
  return drops[line * (columns.length - 1) + column];
}

function buildImportance(inside) {
  if (!D.importance) {
    inside.append(el("p", {}, "Not measured for this page."));
    return null;
  }
  const { rows, columns } = D.importance, note = el("div"), word = el("b"), read = el("p", { class: "note" });
  const left = canvas("measured importance"), right = canvas("attention"), guess = canvas("gradient times input");
  const how = el("select", { onchange: () => draw() }, el("option", { value: "pixels" }, "pixels of a region"),
    el("option", { value: "masked" }, "image tokens of a region, for the words alone"));
  inside.append(el("p", {}, "Attention is where the model looked. Importance is an experiment: each of ",
    `${rows.length - 1} × ${columns.length - 1} regions, with those around it, was painted over in the picture's mean colour`,
    `${FRAMES > 1 ? " in every frame" : ""}, and the word `, word, " was scored again. Hidden pixels change every token of the " +
    "picture, because the squares look at each other; the other measure only keeps words from looking at the tokens of a region."),
  el("p", {}, el("label", {}, "what is taken away ", how)), frameChoice(),
  el("div", { class: "pair three" },
    el("figure", {}, left, el("figcaption", {}, el("b", {}, "Measured importance. "),
      "Orange: without what is here the word gets less likely. Blue: more likely.")),
    D.gradient ? el("figure", {}, guess, el("figcaption", {}, el("b", {}, "Gradient × input. "),
      "A guess at the same from one way back, exact only for a square that fades a little; hiding it is no small change. Same colours.")) : "",
    el("figure", {}, right, el("figcaption", {}, el("b", {}, "Attention. "),
      "Mean of all layers and heads; bright squares were looked at most."))), read, note);
  const say = (event) => {
    const patch = patchAt(event);
    if (patch === null) return;
    const masked = how.value === "masked";
    const drop = dropAt((masked ? D.importance.masked : D.importance.drops)[state.word], patch);
    const weight = patchWeights(allHeads(state.word), state.frame)[patch];
    read.textContent = `${place(patch)}: ${masked ? "without the tokens of this region" : "with this region hidden"} ` +
      `the log-probability changes by ${text(-drop)}; attention on the square ${(weight * 100).toFixed(2)} %` +
      (D.gradient ? `; gradient × input of the square ${text(D.gradient.values[state.word][state.frame * P + patch])}.` : ".");
  };
  for (const target of [left, right, guess]) ["pointermove", "click"].forEach((k) => target.addEventListener(k, say));
  return () => {
    const masked = how.value === "masked", table = masked ? D.importance.masked : D.importance.drops;
    const drops = table[state.word], weights = allHeads(state.word);
    const top = highestPatch(weights), whole = D.importance.whole[state.word];
    const shares = patchWeights(weights, state.frame), agree = D.importance.agreement[state.word];
    const best = D.importance.best[state.word], worst = Math.max(...drops), name = said(D.words[state.word]);
    const scale = Math.max(0.1, ...drops.map(Math.abs));
    word.textContent = `“${name}”`;
    overlay(left, state.frame, (patch) => signed(0.85 * dropAt(drops, patch) / scale), { grey: true });
    if (best && !masked) frameOf(left, best.box);
    overlay(right, state.frame, (patch) => rgb(viridis(shares[patch] / top)).replace(")", ",.72)")
      .replace("rgb", "rgba"), { grey: true });
    if (D.gradient) {
      const all = D.gradient.values[state.word], most = Math.max(1e-9, ...all.map(Math.abs));
      overlay(guess, state.frame, (patch) => signed(0.85 * all[state.frame * P + patch] / most), { grey: true });
    }
    read.textContent = "Touch a square to read its numbers.";
    note.replaceChildren(...(masked ? toldOfMasked(worst, name) : toldOfHidden(worst, whole, best, agree, name)));
  };
}

const nats = (drop) => `${text(-Number(drop.toPrecision(3)))}`;
const remaining = (drop) => percent(Math.exp(-drop));

// what hiding regions, rectangles and all of the picture did to a word: sentences
function toldOfHidden(worst, whole, best, agree, name) {
  const lines = [];
  lines.push(worst >= 0.01
    ? `The strongest orange: with that hidden, “${name}” has ${remaining(worst)} of the probability it had.`
    : `No single region changes “${name}”` + (best ? ": whichever is hidden, the rest of the picture is enough." : "."));
  if (best) {
    lines.push(`Rectangles were tried too. The gold one covers ${percent(best.share)} of the picture; hiding it ` +
      `changes the log-probability by ${nats(best.drop)}, at least half of what any rectangle does.`);
  }
  lines.push(Math.abs(whole) >= 0.01
    ? `With the whole picture hidden: ${nats(whole)}` +
      (whole > 0 ? `, which leaves ${remaining(whole)} of its probability.` : ", so it even gets likelier.")
    : "Even with the whole picture hidden it stays as likely: the words before it are enough.");
  if (agree !== null) {
    lines.push(`Over all regions, attention and importance correlate by ${agree.toFixed(2)} ` +
      "(1: they always agree; 0: one says nothing about the other).");
  }
  const guessed = D.gradient && D.gradient.agreement[state.word];
  if (typeof guessed === "number") {
    lines.push(`Gradient × input, summed over the same regions, correlates with what was measured by ${guessed.toFixed(2)}.`);
  }
  return lines.map((line) => el("p", {}, line));
}

function toldOfMasked(worst, name) {
  return [el("p", {}, worst >= 0.01
    ? `The strongest orange: without the tokens of that region, “${name}” has ${remaining(worst)} of the probability it had.`
    : `“${name}” does without the tokens of any one region: other tokens know of it, or it is not needed.`)];
}

function frameOf(target, [top, bottom, start, end]) {
  const pen = target.getContext("2d");
  pen.strokeStyle = "#f0c419";
  pen.lineWidth = target.width / 120;
  pen.strokeRect(start * SIDE_X * target.width, top * SIDE_Y * target.height,
    (end - start) * SIDE_X * target.width, (bottom - top) * SIDE_Y * target.height);
}

function buildHand(inside) {
  const where = el("p"), target = canvas("the patch of the example", { style: "max-width:260px" });
  const products = el("div", { class: "products num" }), steps = el("div");
  inside.append(where, target, el("h3", {}, "1. The question times the key"), products, steps);
  inside.className += " hand";
  return () => {
    const { layer, head, token, q, k, product, scores, weight } = D.words[state.word].by_hand;
    const frame = Math.floor(token / (P + 1)), patch = token % (P + 1) - 1, A = q.length;
    overlay(target, frame, () => null);
    outline(target, patch);
    where.textContent = `One look at one square while choosing “${said(D.words[state.word])}”: ` +
      `layer ${layer + 1}, head ${head + 1}, ${FRAMES > 1 ? `frame ${frame + 1}, ` : ""}${place(patch)}. ` +
      `The last word asks a question q, the square answers to a key k, each ${A} numbers long.`;
    products.replaceChildren(...q.map((value, i) => el("div", {},
      `${fixed(value)} × ${fixed(k[i])} = ${fixed(value * k[i])}`)));
    const finite = scores.filter((score) => score !== null).map(Math.fround), top = Math.max(...finite);
    const powers = finite.map((score) => Math.exp(score - top)), whole = sum(powers);
    const own = Math.fround(scores[token]), power = Math.exp(own - top), scaled = product / Math.sqrt(A);
    const extra = own - scaled;
    steps.replaceChildren(
      el("p", {}, "Their sum: ", el("span", { class: "num" }, fixed(product, 7))),
      el("h3", {}, `2. Divided by √${A}`),
      el("p", { class: "num" }, `${fixed(product, 7)} / ${fixed(Math.sqrt(A), 6)} = ${fixed(scaled, 7)}`),
      ...(Math.abs(extra) > 1e-3 * Math.max(1, Math.abs(own)) ? [el("p", {},
        `and ${fixed(extra)} for the distance of the two (relative positions)`)] : []),
      el("p", { class: "note" }, "The run itself, in float32, has the score ",
        el("span", { class: "num", id: "hand-score" }, text(scores[token])), "."),
      el("h3", {}, `3. Softmax over all ${scores.length} scores`),
      el("p", { class: "num" }, `highest score ${fixed(top, 7)}; exp(${fixed(own, 6)} − ${fixed(top, 6)}) = ` +
        `${fixed(power, 7)}; all ${scores.length} such powers sum to ${fixed(whole, 7)}`),
      el("p", {}, el("span", { class: "num" }, `${fixed(power, 7)} / ${fixed(whole, 7)} = `),
        el("b", { class: "num", id: "hand-weight" }, fixed(power / whole, 7))),
      el("p", { class: "note" }, "The run itself has the weight ",
        el("span", { class: "num", id: "run-weight" }, text(weight)), ": the same."));
  };
}

function buildMask(inside) {
  const read = readBefore(D.words.length - 1), width = read.length;
  const lines = D.words.flatMap((word) => word.mask).map((line) => line.padEnd(width, "0"));
  inside.append(el("p", {}, "A row may look at the filled columns. Each word sees the whole picture and ",
    "the words up to itself, never a later one: or else it could copy the answer. Image tokens look at each ",
    "other and never at words; that is why the picture is worked out once, whatever is said about it."));
  const open = (yes) => el("td", { class: yes ? "yes" : "" }, el("span", { class: "sr" }, yes ? "yes" : "no"));
  const rows = [el("tr", {}, el("th", { scope: "row" }, `${D.memory} image tokens`),
    el("td", { class: "image yes" }, "all"), read.map(() => open(false)))];
  lines.forEach((line, i) => rows.push(el("tr", {}, el("th", { scope: "row" }, shown(read[i])),
    el("td", { class: "image yes" }, "all"), [...line].map((bit) => open(bit === "1")))));
  const head = el("tr", {}, el("td"), el("th", { scope: "col" }, `${D.memory} image tokens`),
    read.map((token) => el("th", { class: "up", scope: "col" }, shown(token))));
  inside.append(scroll("the mask", el("table", { class: "mask" },
    el("caption", { class: "sr" }, "rows: the token that looks; columns: what it may look at"), head, rows)));
  return () => rows.forEach((made, i) => made.classList.toggle("now", i === state.word + D.prompt.length));
}

function buildLens(inside) {
  const best = el("p");
  inside.append(el("p", {}, "The output head was made for the last layer. Asked earlier, it shows how the ",
    "guess grows: brighter means surer. Read a column from below."));
  const name = (i) => i === 0 ? "before layer 1" : `after layer ${i}`;
  const cells = [];
  const rows = [...Array(D.layers + 1).keys()].reverse().map((layer) => el("tr", {},
    el("th", { scope: "row" }, name(layer)), D.words.map((word, n) => {
      const [token, share] = word.lens[layer].best[0], colour = viridis(share);
      const told = word.lens[layer].best.map(([t, s]) => `${shown(t)} ${percent(s)}`).join(" · ");
      const cell = el("td", { style: `background:${rgb(colour)};color:${readableOn(colour)}`, title: told },
        el("button", { onclick: () => choose(n) }, piece(token), el("span", { class: "sr" }, ` ${percent(share)}`)));
      cells.push([n, cell]);
      return cell;
    })));
  rows.push(el("tr", {}, el("th", { scope: "row" }, "said"), D.words.map((word) => el("td", {}, el("b", {}, said(word))))));
  inside.append(scroll("the logit lens", el("table", { class: "lens" },
    el("caption", { class: "sr" }, "rows: layers, the last on top; columns: words"), rows)), best);
  return () => {
    cells.forEach(([n, cell]) => cell.classList.toggle("now", n === state.word));
    const word = D.words[state.word];
    const first = word.lens.findIndex((_, i) => word.lens.slice(i).every((l) => l.best[0][0] === word.token));
    best.textContent = `“${said(word)}” is the best guess ` + (first <= 0 ? "from the start on." :
      `from layer ${first} on; there it has ${percent(word.lens[first].chosen)}.`);
  };
}

function buildHeads(inside) {
  if (!D.attention.heads) {
    inside.append(el("p", {}, "Single heads are too many numbers for one page with this model and clip."));
    return null;
  }
  const count = D.attention.head_count, first = D.attention.first_layer_with_heads;
  const intro = el("p"), grid = el("div", { class: "heads" }), buttons = [];
  const large = canvas("where the chosen head looked"), under = el("figcaption");
  inside.append(intro, frameChoice(), el("div", { class: "beside" }, scroll("all heads", grid),
    el("figure", {}, large, under)));
  for (let layer = first; layer < D.layers; layer++) {
    const line = el("div", { class: "row", style: `grid-template-columns:3.4em repeat(${count},minmax(44px,84px))` },
      el("span", {}, `layer ${layer + 1}`));
    for (let head = 0; head < count; head++) {
      const small = el("canvas", { class: "map" });
      const button = el("button", { "aria-label": `layer ${layer + 1}, head ${head + 1}`,
        onclick: () => { state.layer = layer; state.head = head; draw(); } }, small);
      buttons.push([layer, head, button, small]);
      line.append(button);
    }
    grid.append(line);
  }
  return () => {
    intro.textContent = `Where “${said(D.words[state.word])}” looked, for each head by itself, ` +
      "its own brightest square brightest. Choose one to see it on the picture.";
    const weights = ofWord(state.word, state.layer, state.head), best = highestPatch(weights), own = patchWeights(weights, state.frame);
    overlay(large, state.frame, (patch) => shade(own[patch] / best));
    under.textContent = (state.layer === "all" ? `Mean of all layers and heads` : `Layer ${state.layer + 1}, ` +
      (state.head === "mean" ? "mean of its heads" : `head ${state.head + 1}`)) +
      `: ${percent(Math.min(1, ofWord(state.word, state.layer, state.head, sums).squares[state.frame]))} on these squares, ${percent(Math.max(...own))} on the brightest.`;
    for (const [layer, head, button, small] of buttons) {
      matrixMap(small, [...patchWeights(ofWord(state.word, layer, head), state.frame)], COLUMNS, ROWS);
      button.setAttribute("aria-pressed", layer === state.layer && head === state.head);
    }
  };
}

function buildVision(inside) {
  const v = D.vision, look = canvas("where the chosen square looks", { tabindex: 0, "data-keys": 1 });
  const norm = canvas("lengths of vectors"), said = el("figcaption"), length = el("figcaption");
  const layers = el("select", { "aria-label": "layer of the vision encoder", onchange: (e) => { state.seer = +e.target.value; draw(); } },
    v.layers.map((layer, i) => el("option", { value: i }, `layer ${layer + 1}`)));
  const names = el("select", { "aria-label": "whose vectors", onchange: (e) => { state.norm = +e.target.value; draw(); } },
    v.names.map((name, i) => el("option", { value: i }, name)));
  state.seer = v.layers.length - 1;
  state.norm = v.names.length - 1;
  layers.value = state.seer;
  names.value = state.norm;
  inside.append(el("p", {}, "Before any word, the squares of the picture look at each other. Choose a square ",
    "(click, or arrow keys on the picture): bright squares are where it looks, mean of all heads. ",
    "On the right, how long each square's vector is: very long ones often serve as a notebook for the whole picture."),
  frameChoice(), el("div", { class: "pair" },
    el("figure", {}, el("p", { class: "small" }, layers, " ", el("button", {
      onclick: () => { state.patch = -1; draw(); } }, "class token")), look, said),
    el("figure", {}, el("p", { class: "small" }, names), norm, length)));
  look.addEventListener("click", (e) => { state.patch = patchAt(e) ?? state.patch; draw(); });
  look.addEventListener("keydown", (e) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -COLUMNS, ArrowDown: COLUMNS }[e.key];
    if (!by) return;
    e.preventDefault();
    state.patch = Math.min(P - 1, Math.max(0, state.patch + by));
    draw();
  });
  return () => {
    const shares = row(v.weights, state.seer, state.frame, state.patch + 1), on = shares.subarray(1);
    const top = Math.max(...on) || 1, lengths = row(v.norms, state.norm, state.frame).subarray(1);
    const colour = (share) => rgb(viridis(share)).replace("rgb", "rgba").replace(")", ",.72)");
    overlay(look, state.frame, (patch) => colour(on[patch] / top), { grey: true });
    if (state.patch >= 0) outline(look, state.patch);
    said.textContent = `${state.patch < 0 ? "The class token" : `The square in ${place(state.patch)}`} gives ` +
      `${percent(top)} to its brightest square, ${percent(shares[0])} to the class token` +
      (state.patch < 0 ? " itself." : `, ${percent(on[state.patch])} to itself.`) +
      (v.weights.levels < 255 ? ` Rounded to ${v.weights.levels} steps: the picture is large.` : "");
    const high = Math.max(...lengths), low = Math.min(...lengths);
    overlay(norm, state.frame, (patch) => colour((lengths[patch] - low) / (high - low || 1)), { grey: true });
    length.textContent = `Lengths from ${fixed(low, 3)} (dark) to ${fixed(high, 3)} (bright).`;
  };
}

function buildCache(inside) {
  const c = D.cache, n = D.words.length, whole = c.image + sum(c.now), list = el("div", { class: "steps" });
  let known = 0, again = 0;
  const lines = c.now.map((now, i) => {
    const seen = c.image + known + now;
    again += seen;
    const bar = (kind, count) => el("i", { class: kind, style: `width:${100 * count / whole}%`, title: count });
    const line = [el("span", {}, said(D.words[i])),
      el("div", {}, bar("kept-image", c.image), known ? bar("kept-words", known) : "", bar("new", now))];
    known += now;
    return line;
  });
  const kilobytes = (count) => `${(count * c.bytes_of_a_token / 1024).toLocaleString("en", { maximumFractionDigits: 0 })} kB`;
  list.append(...lines.flat());
  inside.append(el("p", {}, `For every token the cache keeps ${c.layers} layers × 2 (key and value) × ${c.heads} heads × ` +
    `${c.width} numbers: ${c.bytes_of_a_token.toLocaleString("en")} bytes. The picture's part, ${kilobytes(c.image)}, ` +
    `is made once; each word adds one token.`),
  el("p", { class: "note key" }, el("i", { class: "kept-image" }), "picture, kept",
    el("i", { class: "kept-words" }), "words, kept", el("i", { class: "new" }), "read now"), list,
  el("p", {}, `With the cache the text decoder works through ${c.image + known} tokens for these ${n} choices, ` +
    `without it through ${again}: ${(again / (c.image + known)).toFixed(1)} times as many. At the end it holds ` +
    `${kilobytes(c.image + known)}.`));
  return () => lines.forEach(([label], i) => { label.style.fontWeight = i === state.word ? "bold" : "normal"; });
}

// ---------------------------------------------------------------- all together

function draw() {
  drawLook();
  Object.values(drawers).forEach((drawer) => drawer());
}

// begin with the word that the model was least sure of, if there is one; else with one that needs the picture
function tellingWord() {
  const isTelling = (word) => !word.is_end && /^[^#].{2,}/.test(word.token);
  const first = Math.max(0, D.words.findIndex(isTelling));
  const best = (value) => D.words.reduce((found, word, i) =>
    isTelling(word) && value(word, i) > value(D.words[found], found) ? i : found, first);
  const unsure = best((word) => -word.log_probability);
  if (D.words[unsure].log_probability < Math.log(0.97) || !D.importance) return unsure;
  return best((_, i) => Math.max(...D.importance.drops[i]));
}

async function start() {
  const all = [...D.stages.picture, ...D.stages.words.flat()].map((stage) => stage.small);
  await Promise.all([D.attention.means, D.attention.all_layers, D.attention.heads, D.vision.weights,
    D.vision.norms, D.asked, ...all].map(unpack).concat(pictures.map((image) => image.decode())));
  setUp();
  panel("map", "The whole model", "seven stops from picture to word", buildMap);
  panel("else", PANELS.else, "ten rivals, and why it stopped", buildElse, { open: true });
  panel("follow", PANELS.follow, "from pixels to the word, in numbers", buildStages);
  panel("seen", PANELS.seen, "resized, cropped, cut into patches", buildSeen);
  panel("importance", "What mattered", "hide a region and see; beside gradient and attention", buildImportance);
  panel("hand", "One attention weight by hand", "from q · k to softmax", buildHand);
  panel("mask", PANELS.mask, "the causal mask", buildMask);
  panel("lens", "The guess after every layer", "the logit lens", buildLens);
  panel("heads", PANELS.heads, "for the chosen word", buildHeads);
  panel("vision", PANELS.vision, "choose a square: where does it look?", buildVision);
  panel("cache", "What is kept between words", "the KV cache", buildCache);
  $("foot").textContent = "Attention maps are rounded to 1/255 of the highest weight of their row; " +
    "scores, numbers in tables and measured drops are those of the run. Made by numpygit.";
  const opened = () => {
    const wanted = location.hash && document.getElementById(location.hash.slice(1));
    if (wanted && wanted.tagName === "DETAILS") { wanted.open = true; wanted.scrollIntoView(); }
  };
  window.addEventListener("hashchange", opened);
  window.addEventListener("beforeprint", () =>
    document.querySelectorAll(".panel").forEach((one) => { one.open = true; drawers[one.id](); }));
  const word = tellingWord(), shares = patchWeights(looked(word), 0);
  state.patch = shares.indexOf(Math.max(...shares));
  choose(word);
  opened();
  document.documentElement.dataset.ready = "yes";
}

start();
