// Six short experiments: a scene, something to do, a question, and a check against the run itself.

import { element, percent } from "./words.js";

const $ = (id) => document.getElementById(id);
const thing = (kind, color, x, y, r = 0.15) => ({ kind, color, x, y, r, turn: 0, flip: false });
const PAIR = [thing("cat", "blue", 0.5, 0.3), thing("house", "red", 0.5, 0.7)];
const LIVELY = [thing("bird", "purple", 0.6, 0.39, 0.19), thing("flower", "blue", 0.3, 0.71, 0.13)];

// `task(run, first)` tells whether what was to be done has been done: run is the newest run, `first`
// the one the lesson began with. `right(run, first)` names the right answer from numbers of the run.
export const LESSONS = [
  {
    title: "Hide the cat: which words go?",
    set: { frames: [PAIR] },
    text: "The model says “a blue cat above a red house”. Take the brush and paint over the cat, all of it.",
    help: { label: "paint it for me", change: { brush: [{ r: 0.2, points: [[0.46, 0.24], [0.54, 0.36], [0.5, 0.3]] }] } },
    task: (run) => run.state.brush.length > 0 && !run.text.includes("cat"),
    question: "Which words went away?",
    answers: ["only “cat”", "“blue cat”, and nothing else changed", "“blue cat”; the sentence found another form for what was left"],
    right: (run, first) => {
      const gone = first.text.split(" ").filter((word) => !run.text.split(" ").includes(word));
      if (gone.length === 1) return 0;
      return run.text.includes("above a red house") && gone.every((w) => ["blue", "cat"].includes(w)) ? 1 : 2;
    },
    why: (run, first) => `Before: “${first.text}”. Now: “${run.text}”. Grey paint is something to see as well, and each word depends on all words before it: take one away and the rest of the sentence is found anew.`,
  },
  {
    title: "The mask",
    set: { frames: [PAIR] },
    text: "Every token may look at some of the others only. Image tokens come first, words after them. Choose the first word and open “Where it looked”: which words could it look at? Then choose a later one.",
    task: (run, first, page) => page.chosen() >= 2,
    question: "What may the image tokens look at?",
    answers: ["at the words too", "at each other, never at words", "each only at itself"],
    right: (run, first, page) => page.facts.mask === 0 ? 1 : page.facts.mask > 0 ? 0 : -1,
    before: async (page) => { page.facts.mask = await page.reads("image.text.0.scores", "word.0.text.0.scores"); },
    why: () => "Measured just now: the scores of the image pass have as many columns as image tokens, none for words; the first word's scores have one column more, for itself. That is why a picture is read once and its keys and values are kept for all words.",
  },
  {
    title: "Two heads do it",
    set: { frames: [[thing("cat", "blue", 0.5, 0.3, 0.15), thing("house", "red", 0.5, 0.7, 0.16)]] },
    text: "Twenty heads of attention read this picture. Open “Switches” and find two, or even one, without which the sentence changes. Most can go without a trace.",
    help: { label: "give me two", change: { heads_off: [[1, 2], [1, 3]] } },
    task: (run, first) => run.state.heads_off.length > 0 && run.state.heads_off.length <= 2 && !run.state.layers_off.length && run.text !== first.text,
    question: "What changed when these heads were gone?",
    answers: ["what things there are", "how large something is said to be", "where things stand"],
    right: (run, first) => {
      const words = (text) => text.split(" ").filter((w) => !["big", "small"].includes(w)).join(" ");
      return words(run.text) === words(first.text) ? 1 : run.text.includes("above") ? 0 : 2;
    },
    why: (run, first) => `“${first.text}” became “${run.text}”. This house is just too large to be of the size that nobody mentions: such a close call hangs on few heads. Things and colours are known to many heads at once.`,
  },
  {
    title: "What the end token sees",
    set: { frames: [PAIR] },
    text: "The sentence ends because “end” became the likeliest word. Choose “end” among the words, and compare where it looked with where “cat” did.",
    task: (run, first, page) => run.words[page.chosen()]?.is_end,
    question: "From what did the end take more, compared with “cat”: all heads together?",
    answers: ["more from the words so far", "more from the picture", "the same"],
    right: (run, first, page) => {
      const end = page.pictureShare(run.words.length - 1), cat = page.pictureShare(2);
      return Math.abs(end - cat) < 0.02 ? 2 : end < cat ? 0 : 1;
    },
    why: (run, first, page) => `The picture's share was ${percent(page.pictureShare(2))} for “cat” and ${percent(page.pictureShare(run.words.length - 1))} for the end. To know that all has been said, one must know what has been said.`,
  },
  {
    title: "Why beams differ",
    set: { frames: [LIVELY] },
    text: "One beam takes the likeliest word each time, and here it goes wrong. Set “beams” to 4 in “Switches”: four beginnings are followed at once, and the best whole text wins.",
    help: { label: "set beams to 4", change: { beams: 4 } },
    task: (run) => run.state.beams > 1,
    question: "Which text is the likelier one as a whole: its log-probabilities summed?",
    answers: ["the one of a single beam, which took the likeliest word each time", "the one of several beams", "both alike"],
    right: (run, first) => Math.abs(run.log_probability - first.log_probability) < 1e-4 ? 2 : run.log_probability > first.log_probability ? 1 : 0,
    why: (run, first) => `“${first.text}”: ${first.log_probability.toFixed(2)}. “${run.text}”: ${run.log_probability.toFixed(2)}. The likeliest next word can lead into a sentence that is unlikely as a whole.`,
  },
  {
    title: "Teach it nothing: random weights",
    set: { frames: [PAIR] },
    text: "The same functions, the same sizes, but every number drawn by chance. Switch on “random weights” and look at the words, the rivals and the attention.",
    help: { label: "forget everything", change: { random_weights: true } },
    task: (run) => run.state.random_weights,
    question: "How likely is its first word, about?",
    answers: ["near 100 %, it is as sure as before", "near one in the number of words: it knows nothing", "0 %"],
    right: (run, first, page) => run.words[0].probability > 0.5 ? 0 : run.words[0].probability < 20 / page.vocabulary ? 1 : 0,
    why: (run, first, page) => `${percent(run.words[0].probability)}; one in ${page.vocabulary} words is ${percent(1 / page.vocabulary)}. Architecture alone says nothing: all that the model knows is in its weights.`,
  },
];

export class Lessons {
  constructor(page) {
    this.page = page; // what a lesson may do with the page
    this.done = new Set();
    this.at = -1;
    this.list = element("ol", { class: "lessons" });
    this.desk = element("div", { class: "desk", hidden: true });
    $("panel-lessons").replaceChildren(element("p", {}, "Six experiments of a minute each."), this.list, this.desk);
    this.write();
  }

  write() {
    this.list.replaceChildren(...LESSONS.map((lesson, i) => element("li", {},
      element("button", { type: "button", class: "lesson" + (this.done.has(i) ? " done" : ""), "aria-current": i === this.at ? "step" : null, onclick: () => this.open(i) },
        element("span", { class: "tick", "aria-hidden": "true" }, this.done.has(i) ? "✓" : String(i + 1)), lesson.title, this.done.has(i) ? element("span", { class: "off-screen" }, " (done)") : null))));
  }

  async open(i) {
    this.at = i;
    this.first = null;
    this.ready = false;
    const lesson = LESSONS[i];
    this.write();
    this.desk.hidden = false;
    this.questions = element("div", { hidden: true });
    this.verdict = element("p", { class: "verdict", role: "status" });
    this.desk.replaceChildren(element("h3", {}, lesson.title), element("p", {}, lesson.text),
      lesson.help ? element("button", { type: "button", class: "small", onclick: () => this.page.change(lesson.help.change) }, lesson.help.label) : "",
      this.questions, this.verdict);
    const first = await this.page.begin(lesson.set);
    if (lesson.before) await lesson.before(this.page).catch((error) => { this.verdict.textContent = error.message; });
    if (this.at !== i) return; // another lesson has been opened meanwhile
    this.first = first;
    this.look();
  }

  look() { // after every run and every choice: is the task done?
    const lesson = LESSONS[this.at], run = this.page.run();
    if (!lesson || !this.first || !run || this.ready || !lesson.task(run, this.first, this.page)) return;
    this.ready = true;
    this.questions.hidden = false;
    this.questions.replaceChildren(element("p", {}, element("b", {}, "Done. "), lesson.question),
      element("div", { class: "answers" }, ...lesson.answers.map((answer, n) => element("button", { type: "button", onclick: (e) => this.check(n, e.target) }, answer))));
  }

  check(n, button) {
    const lesson = LESSONS[this.at], run = this.page.run();
    const right = lesson.right(run, this.first, this.page) === n;
    button.classList.add(right ? "right" : "wrong");
    this.verdict.className = "verdict " + (right ? "right" : "wrong");
    this.verdict.textContent = right ? "Right. " + lesson.why(run, this.first, this.page) : "Not so. Look at the numbers again.";
    if (right) { this.done.add(this.at); this.write(); }
  }
}
