// The source of the function that makes the tensor under the mouse; in the browser it can be edited.

import { element } from "./words.js";

const $ = (id) => document.getElementById(id);

export class Code {
  constructor(ready, ask, onEdit, onHalt) {
    Object.assign(this, { ready, ask, onEdit, onHalt, name: "", line: "" });
    this.tensors = new Map(ready.tensors.map((row) => [row.name, row]));
    this.pick = element("select", { "aria-label": "Function", onchange: () => this.open(this.pick.value) },
      ...ready.functions.map((name) => element("option", { value: name }, name)));
    this.where = element("span", { class: "note" });
    this.text = element("pre", { class: "code", tabindex: 0, "aria-label": "Source code" });
    this.editor = element("textarea", { class: "code", spellcheck: "false", hidden: true, "aria-label": "Source code, to be edited",
      onkeydown: (e) => this.typed(e) });
    this.said = element("p", { class: "verdict", role: "status" });
    this.numbers = element("div", { class: "numbers", tabindex: 0, role: "group", "aria-label": "Numbers of the tensor" });
    this.editing = element("span", { class: "row" },
      element("button", { type: "button", id: "edit", onclick: () => this.startEditing() }, "Edit"),
      element("button", { type: "button", id: "run", class: "main", hidden: true, title: "Ctrl+Enter", onclick: () => this.run() }, "Run it"),
      element("button", { type: "button", id: "halt", hidden: true, title: "Ends Python and starts it anew", onclick: () => this.halt() }, "Stop"),
      element("button", { type: "button", id: "reset", hidden: true, onclick: () => this.reset() }, "Reset"));
    if (!ready.editable) this.editing.replaceChildren(element("span", { class: "note" }, "To be read here. In the browser version (numpygit play --static) it can be edited and run."));
    $("panel-code").replaceChildren(element("p", { class: "row" }, this.pick, this.where, this.editing), this.said, this.text, this.editor, this.numbers);
    for (const kind of ["pointerover", "focusin"]) document.addEventListener(kind, (e) => this.under(e));
    this.show("text.{i}.weights");
  }

  get visible() { return !$("panel-code").hidden; }

  under(event) { // a part of the page that shows a tensor
    const name = event.target.closest?.("[data-tensor]")?.dataset.tensor;
    if (name && this.visible && this.editor.hidden && name !== this.tensor) this.show(name);
  }

  show(name) {
    const row = this.tensors.get(name.replace(/\.\d+\./, ".{i}."));
    if (!row) return;
    this.tensor = name;
    const fits = (f) => f === row.in || f.endsWith("." + row.in.split(".")[1]);
    const found = this.ready.functions.find((f) => f === row.in) || this.ready.functions.find(fits) || (row.in === "image" ? "image.normalise" : null);
    const traced = row.name.split(".").at(-1);
    if (found && this.visible) this.open(found, traced).then(() => this.look(name));
  }

  async open(name, traced = "") {
    this.pick.value = this.name = name;
    await this.ask({ op: "source", name }, (event) => {
      if (event.name !== this.name) return;
      this.source = event.source;
      this.where.textContent = `${event.file}, line ${event.line}${event.edited ? ", edited" : ""}`;
      this.first = event.line;
      this.traced = traced;
      this.write();
    }).catch((error) => { this.said.textContent = error.message; });
  }

  write() {
    const lines = this.source.replace(/\n$/, "").split("\n");
    let marked = null, quoted = false;
    this.text.replaceChildren(...lines.map((line, i) => {
      const row = element("span", { class: "line" }, element("span", { class: "no", "aria-hidden": "true" }, String(this.first + i)));
      const quotes = line.split('"""').length - 1;
      if (quoted || quotes) row.append(element("span", { class: "doc" }, line));
      else row.append(...coloured(line));
      if (quotes % 2) quoted = !quoted;
      row.append("\n");
      if (this.traced && line.includes(`trace("${this.traced}"`)) { row.classList.add("now"); marked = row; }
      return row;
    }));
    this.editor.value = this.source;
    if (marked) this.text.scrollTop = marked.offsetTop - this.text.clientHeight / 2;
  }

  async look(name) { // the numbers of the tensor at that line, of this very run
    const inside = /^(pixels|vision|clip_tokens|projected|memory)/.test(name);
    const word = this.word?.index ?? 0;
    const full = (inside ? name : `word.${word}.${name}`).replace("{i}", "0");
    await this.ask({ op: "tensor", name: full }, (t) => {
      if (t.event !== "tensor") return;
      const number = (v) => v === null ? "−∞" : Math.abs(v) >= 1e-3 && Math.abs(v) < 1e4 ? v.toFixed(3) : v.toExponential(1);
      this.numbers.replaceChildren(
        element("p", {}, element("code", {}, t.name), ` ${t.letters} = (${t.shape.join(", ")}). ${t.meaning}`, element("br"),
          t.low === null ? "no finite number" : `${number(t.low)} to ${number(t.high)}, mean ${number(t.mean)}${t.blocked ? `; ${t.blocked} blocked` : ""}`),
        element("table", {}, element("caption", { class: "off-screen" }, `The first numbers of ${t.name}`), ...t.corner.map((row) => element("tr", {}, ...row.map((v) => element("td", {}, number(v)))))));
    }, true).catch(() => this.numbers.replaceChildren());
  }

  startEditing() {
    this.text.hidden = true;
    this.editor.hidden = false;
    $("edit").hidden = true;
    $("run").hidden = $("reset").hidden = false;
    this.editor.rows = Math.min(34, this.source.split("\n").length + 1);
    this.editor.focus();
  }

  typed(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); this.run(); }
    if (event.key === "Escape") { this.pick.focus(); } // the keyboard is not caught
  }

  async run() {
    this.said.className = "verdict";
    this.said.textContent = "running …";
    this.halted = false;
    const late = setTimeout(() => { $("halt").hidden = false; }, 3000); // a loop may never end
    try {
      await this.ask({ op: "edit", name: this.name, source: this.editor.value }, () => {});
      const text = await this.onEdit();
      if (!this.halted) this.said.textContent = `With your ${this.name}: “${text}”`;
    } catch (error) {
      if (this.halted) return;
      this.said.classList.add("wrong");
      this.said.textContent = error.message;
    } finally {
      clearTimeout(late);
      $("halt").hidden = true;
    }
  }

  async halt() {
    this.halted = true;
    this.said.textContent = "Stopped. Python starts anew, with the original functions …";
    const text = await this.onHalt();
    this.said.textContent = `Stopped. With the original functions: “${text}”. Your text is still here.`;
  }

  async reset() {
    await this.ask({ op: "reset" }, () => {});
    this.editor.hidden = true;
    this.text.hidden = false;
    $("edit").hidden = false;
    $("run").hidden = $("reset").hidden = true;
    this.said.className = "verdict";
    await this.open(this.name, this.traced);
    const text = await this.onEdit().catch((error) => error.message);
    this.said.textContent = `All functions are the original ones again: “${text}”`;
  }
}

function coloured(line) {
  const parts = [];
  const pattern = /(#.*$)|("[^"]*")|\b(def|return|for|in|if|else|is|not|None|True|False|import|from|and|or|while|yield|raise)\b|\b(trace)(?=\()|(\d+(?:\.\d+)?)/g;
  let last = 0;
  for (const found of line.matchAll(pattern)) {
    parts.push(line.slice(last, found.index));
    const kind = found[1] ? "comment" : found[2] ? "text" : found[3] ? "key" : found[4] ? "trace" : "num";
    parts.push(element("span", { class: kind }, found[0]));
    last = found.index + found[0].length;
  }
  parts.push(line.slice(last));
  return parts;
}
