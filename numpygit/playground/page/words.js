// The words as they come, their rivals, the tree of beams, and before against now.

const $ = (id) => document.getElementById(id);
export const percent = (p) => p >= 0.9995 ? "100 %" : p >= 0.1 ? `${(p * 100).toFixed(1)} %` : p >= 0.001 ? `${(p * 100).toFixed(2)} %` : `${(p * 100).toExponential(0)} %`;
export const shown = (word) => word.is_end ? "end" : word.token.replace(/^##/, "");

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((c) => c !== null && c !== undefined));
  return made;
}

export class Words {
  constructor(onChoose) {
    this.onChoose = onChoose;
    this.words = [];
    this.chosen = -1;
    this.follow = true; // the chosen word is the newest noun until a person chooses
    $("spoken").addEventListener("keydown", (event) => {
      const way = { ArrowRight: 1, ArrowLeft: -1, Home: -1e3, End: 1e3 }[event.key];
      if (!way) return;
      event.preventDefault();
      this.choose(Math.min(this.words.length - 1, Math.max(0, this.chosen + way)), true);
      $("spoken").children[this.chosen]?.focus();
    });
  }

  begin() { this.words = []; }

  add(word, changed) {
    this.words.push(word);
    const number = word.index, place = $("spoken").children[number];
    const label = shown(word);
    const bar = element("i");
    bar.style.width = `${Math.max(3, word.probability * 100)}%`;
    const button = element("button", {
      type: "button", class: "word" + (word.token.startsWith("##") ? " glued" : "") + (word.is_end ? " end" : "") + (changed ? " changed" : ""),
      "aria-pressed": String(number === this.chosen), tabindex: number === Math.max(0, this.chosen) ? 0 : -1,
      title: `${percent(word.probability)}; then ${word.rivals[1]?.[0]} ${percent(word.rivals[1]?.[1] ?? 0)}`,
      "aria-label": `${label}, ${percent(word.probability)}`, onclick: () => this.choose(number, true),
    }, label, bar);
    if (word.probability < 0.6) button.classList.add("unsure");
    if (place) place.replaceWith(button); else $("spoken").append(button);
    if (number === this.chosen) this.onChoose(word);
  }

  end() {
    const buttons = [...$("spoken").children];
    buttons.slice(this.words.length).forEach((b) => b.remove());
    if (this.chosen >= this.words.length || this.chosen < 0) this.choose(this.best());
    else this.choose(this.chosen);
  }

  best() { // at first, the first word that is not an article
    const found = this.words.findIndex((w) => !["a", "an", "the"].includes(w.token));
    return Math.max(0, found + (found >= 0 && this.words[found + 1] && !this.words[found + 1].is_end && this.words.length > 3 ? 1 : 0));
  }

  choose(number) {
    this.chosen = number;
    [...$("spoken").children].forEach((b, i) => {
      b.setAttribute("aria-pressed", i === number);
      b.tabIndex = i === number ? 0 : -1;
    });
    if (this.words[number]) this.onChoose(this.words[number]);
  }

  get word() { return this.words[this.chosen]; }
}

export function showRivals(word) {
  const rows = word.rivals.map(([token, p]) => {
    const bar = element("b", { class: token === word.token ? "taken" : null });
    bar.style.width = `${Math.max(0.5, p * 100)}%`;
    return element("li", {}, element("span", { class: "name" }, token === "[SEP]" ? "end of text" : token), element("span", { class: "track" }, bar), element("span", { class: "number" }, percent(p)));
  });
  const sum = word.rivals.reduce((all, [, p]) => all + p, 0);
  $("panel-rivals").replaceChildren(
    element("p", {}, "After “", element("em", {}, word.before || "(start)"), "” every word of the vocabulary gets a probability. These are the likeliest; the others share ", percent(Math.max(0, 1 - sum)), "."),
    element("ol", { class: "rivals" }, ...rows),
  );
}

// longest common subsequence: which words of `now` are not in `then`, and the other way round
export function changes(then, now) {
  const table = Array.from({ length: then.length + 1 }, () => new Uint16Array(now.length + 1));
  for (let i = then.length - 1; i >= 0; i--)
    for (let j = now.length - 1; j >= 0; j--)
      table[i][j] = then[i] === now[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
  const gone = new Set(then.keys()), fresh = new Set(now.keys());
  for (let i = 0, j = 0; i < then.length && j < now.length;) {
    if (then[i] === now[j]) { gone.delete(i++); fresh.delete(j++); }
    else if (table[i + 1][j] >= table[i][j + 1]) i++; else j++;
  }
  return { gone, fresh };
}

export function compare(before, now) {
  $("compare").hidden = !before;
  if (!before) return;
  const a = before.text.split(" "), b = now.text.split(" ");
  const { gone, fresh } = changes(a, b);
  const write = (words, marked, tag) => words.flatMap((word, i) => [i ? " " : "", marked.has(i) ? element(tag, {}, word) : word]);
  $("before-text").replaceChildren(...write(a, gone, "del"));
  $("after-text").replaceChildren(...write(b, fresh, "ins"));
  $("before-picture").src = before.picture;
  $("after-picture").src = now.picture;
}

export function showTree(tree) {
  $("tree").hidden = !tree;
  if (!tree) return;
  const node = ({ token, probability, children, rank }) => {
    const line = element("span", { class: "chain" });
    let at = { token, probability, children, rank };
    for (;;) { // a chain without a fork stays in one line
      if (at.token) line.append(element("span", { class: "leaf", title: percent(at.probability) }, at.token === "[SEP]" ? "∎" : at.token.replace(/^##/, "‑"), element("small", {}, percent(at.probability))));
      if (at.children.length !== 1) break;
      at = at.children[0];
    }
    const parts = [line];
    if (at.children.length) parts.push(element("ul", {}, ...at.children.map((child) => element("li", {}, node(child)))));
    else if (at.rank !== undefined) line.append(element("span", { class: "rank" + (at.rank === 0 ? " first" : "") }, at.rank === 0 ? "chosen" : `place ${at.rank + 1}`));
    const whole = element("div", { class: "branch" });
    whole.append(...parts);
    return whole;
  };
  $("tree").replaceChildren(
    element("h3", {}, `${tree.beams} beams: the texts that were still alive at the end`),
    node(tree.root),
    element("p", { class: "note" }, ...tree.texts.flatMap((t, i) => [i ? element("br") : "", `${i + 1}. “${t.text}” – sum of log-probabilities ${t.log_probability.toFixed(3)}, for its length ${t.score.toFixed(3)}`])),
  );
}
