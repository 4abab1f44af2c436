// Where a word looked, by layer and head; and what mattered, measured by hiding parts.

import { element, percent, shown } from "./words.js";
import { miniature } from "./stage.js";

const $ = (id) => document.getElementById(id);

export class Look {
  constructor(ready, stage) {
    this.ready = ready;
    this.stage = stage;
    this.layer = "all";
    this.head = "all";
    this.frame = 0;
    this.word = null;
    this.cells = [];
    this.build();
  }

  build() {
    const { layers, heads } = this.ready;
    const cell = (layer, head, label) => {
      const canvas = element("canvas", { width: 8, height: 8, "aria-hidden": "true" });
      const button = element("button", { type: "button", class: "cell", "aria-pressed": "false", "aria-label": label, title: label, "data-tensor": `text.${layer === "all" ? 0 : layer}.weights`,
        onclick: () => { this.layer = layer; this.head = head; this.show(this.word); } }, canvas);
      this.cells.push({ layer, head, canvas, button });
      return button;
    };
    const grid = element("div", { class: "heads", role: "group", "aria-label": "Layers and heads" });
    grid.style.gridTemplateColumns = `auto repeat(${heads + 1}, minmax(0, 1fr))`;
    grid.append(element("span"), element("span", { class: "label" }, "mean"), ...Array.from({ length: heads }, (_, h) => element("span", { class: "label" }, `head ${h}`)));
    for (let layer = 0; layer < layers; layer++) {
      grid.append(element("span", { class: "label side" }, `layer ${layer}`), cell(layer, "all", `layer ${layer}, mean of its heads`));
      for (let head = 0; head < heads; head++) grid.append(cell(layer, head, `layer ${layer}, head ${head}`));
    }
    this.sentence = element("p", { "aria-live": "polite" });
    this.chips = element("p", { class: "chips" });
    const everything = element("button", { type: "button", class: "small", onclick: () => { this.layer = this.head = "all"; this.show(this.word); } }, "mean of everything");
    const none = element("button", { type: "button", class: "small", "aria-pressed": "false", onclick: () => { this.hidden = !this.hidden; none.setAttribute("aria-pressed", this.hidden); this.show(this.word); } }, "hide the heat");
    $("panel-look").replaceChildren(this.sentence, grid, this.chips, element("p", { class: "row" }, everything, none),
      element("p", { class: "note" }, "Each square is one head of attention: light where the new word took much from. Attention says where the model looked, not what decided; “What mattered” measures that."));
  }

  // (L, N, S) bytes and their highest values -> weights of one layer and head, or a mean
  weights(word, layer, head) {
    const [L, N, S] = word.shape, sum = new Float64Array(S);
    let count = 0;
    for (let i = 0; i < L; i++) {
      if (layer !== "all" && word.layers[i] !== layer) continue;
      for (let n = 0; n < N; n++) {
        if (head !== "all" && n !== head) continue;
        count++;
        const highest = word.highest[i][n] / 255;
        for (let s = 0; s < S; s++) sum[s] += word.bytes[(i * N + n) * S + s] * highest;
      }
    }
    return count ? sum.map((v) => v / count) : null;
  }

  // weights -> the values over one frame, and the shares of class tokens and words
  split(weights, word) {
    const side = word.side, per = side * side + 1, frames = word.frames;
    const map = [], frame = Math.min(this.frame, frames - 1);
    for (let i = 0; i < side * side; i++) map.push(weights[frame * per + 1 + i]);
    let picture = 0;
    for (let i = 0; i < frames * per; i++) picture += weights[i];
    return { map, picture, words: [...weights.slice(frames * per)] };
  }

  prepare(word) { // once for each word
    if (word.bytes) return word;
    word.bytes = Uint8Array.from(atob(word.weights), (c) => c.charCodeAt(0));
    word.side = this.ready.side;
    word.frames = Math.max(1, Math.floor((word.shape[2] - word.prompt - word.index) / (word.side ** 2 + 1)));
    return word;
  }

  show(word) {
    if (!word) return;
    this.word = this.prepare(word);
    for (const { layer, head, canvas, button } of this.cells) {
      const weights = this.weights(word, layer, head);
      button.disabled = !weights;
      button.setAttribute("aria-pressed", layer === this.layer && head === this.head);
      if (weights) miniature(canvas, this.split(weights, word).map, word.side, word.side);
      else miniature(canvas, [0], 1, 1);
    }
    let weights = this.weights(word, this.layer, this.head);
    if (!weights) { this.layer = this.head = "all"; weights = this.weights(word, "all", "all"); }
    const { map, picture, words } = this.split(weights, word);
    const which = this.layer === "all" ? "all heads together" : this.head === "all" ? `layer ${this.layer}` : `layer ${this.layer}, head ${this.head}`;
    this.sentence.replaceChildren("Before it said “", element("b", {}, shown(word)), `”, ${which} took `, element("b", {}, percent(picture)), " from the picture and ", element("b", {}, percent(Math.max(0, 1 - picture))), " from the words so far.");
    this.chips.replaceChildren("on words: ", ...words.map((share, i) => {
      const chip = element("span", { class: "chip", title: percent(share) }, word.tokens[i] ?? "?", " ", element("small", {}, percent(share)));
      chip.style.setProperty("--share", share);
      return chip;
    }));
    if ($("panel-measure").hidden) this.stage.showHeat(this.hidden ? null : map, word.side, word.side, this.hidden ? "" : `“${shown(word)}” · ${which}`);
  }
}

export class Measure {
  constructor(stage, ask) {
    this.stage = stage;
    this.ask = ask; // (op, onEvent, signal) -> the run
    this.result = null;
    this.words = [];
    this.frame = () => 0;
    this.bar = element("progress", { max: 1, value: 0, hidden: true, "aria-label": "How far it is" });
    this.start = element("button", { type: "button", class: "main", onclick: () => this.run("measure") }, "Hide every part in turn");
    this.quick = element("button", { type: "button", id: "gradient", onclick: () => this.run("gradient") }, "Gradient × input");
    this.stopper = element("button", { type: "button", id: "stop", hidden: true, onclick: () => this.abort?.abort() }, "Stop");
    this.out = element("p", { "aria-live": "polite" }, "Nothing measured yet for this picture.");
    this.list = element("div", { class: "chips", role: "group", "aria-label": "Word to show" });
    this.how = element("p", { class: "note" });
    $("panel-measure").replaceChildren(
      element("p", {}, "Paint over one part of the picture, read the same words again, and see how much less likely each has become. Or go backwards once from each word: a quick guess at the same."),
      element("p", { class: "row" }, this.start, this.quick, this.stopper, this.bar), this.out, this.list, this.how);
    this.explain("measure");
  }

  explain(kind) {
    this.how.textContent = kind === "measure"
      ? "Warm: without this part the word is less likely. Cold: more likely. Source: Zeiler and Fergus, arXiv 1311.2901."
      : "Warm: what this patch adds to the log-probability of the word, were the model linear. It is not, so this and hiding differ. Source: Shrikumar et al., arXiv 1605.01713.";
  }

  forget() { // another picture, other words
    this.abort?.abort();
    this.result = null;
    this.list.replaceChildren();
    this.out.textContent = "Nothing measured yet for this picture.";
    this.bar.hidden = true;
    if (!$("panel-measure").hidden) this.stage.showHeat(null);
  }

  async run(kind) {
    this.abort?.abort();
    const abort = this.abort = new AbortController();
    this.start.disabled = this.quick.disabled = true;
    this.stopper.hidden = this.bar.hidden = false;
    this.bar.value = 0;
    this.out.textContent = "saying the words …";
    const result = this.result = { kind, drops: [], values: [], rows: 8, columns: 8 };
    this.explain(kind);
    try {
      await this.ask(kind, (event) => {
        if (this.result !== result || !event.all) return;
        if (event.event === "progress") {
          Object.assign(result, { rows: event.rows.length - 1, columns: event.columns.length - 1 });
          result.drops.push(...event.drops);
          this.out.textContent = `${event.done} of ${event.all} parts hidden`;
        } else {
          result.rows = result.columns = Math.sqrt(event.values.length / event.frames);
          result.values[event.index] = event.values;
          this.out.textContent = `${event.done} of ${event.all} words followed back`;
        }
        this.bar.value = event.done / event.all;
        this.show(this.word);
      }, abort.signal);
      this.out.textContent = "Done. Choose a word:";
    } catch (error) {
      if (this.result === result) this.out.textContent = abort.signal.aborted ? "Stopped." : error.message;
    }
    this.start.disabled = this.quick.disabled = false;
    this.stopper.hidden = true;
  }

  values(index) { // of one word: rows x columns
    const { kind, drops, values, rows, columns } = this.result;
    if (kind === "measure") return Array.from({ length: rows * columns }, (_, i) => drops[i]?.[index] ?? 0);
    const from = this.frame() * rows * columns;
    return values[index]?.slice(from, from + rows * columns) ?? new Array(rows * columns).fill(0);
  }

  show(word) {
    this.word = word;
    const { result } = this;
    if ($("panel-measure").hidden) return;
    if (!word || !(result?.drops.length || result?.values.length)) return this.stage.showHeat(null);
    const values = this.values(word.index), most = Math.max(...values);
    const note = result.kind === "measure" ? `“${shown(word)}” loses at most ${most.toFixed(2)} of log-probability` : `“${shown(word)}” · gradient × input, at most ${most.toFixed(2)}`;
    this.stage.showHeat(values, result.rows, result.columns, note);
    this.list.replaceChildren(...this.words.map((each) => element("button", { type: "button", class: "chip", "aria-pressed": String(each.index === word.index), onclick: () => this.choose(each) },
      shown(each), element("small", {}, ` ${result.kind === "measure" ? "−" : "+"}${Math.max(0, ...this.values(each.index)).toFixed(1)}`))));
  }
}
