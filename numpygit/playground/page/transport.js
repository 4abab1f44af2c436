// Where messages go: to a local server, or to a worker with Python in it. Both answer with events.

export const VERSION = 1;
const inBrowser = document.documentElement.dataset.home === "browser";

export function home() { return inBrowser ? "browser" : "server"; }

export class Stopped extends Error {}

// ask(message, each, signal) calls `each` for every event but `error`, which it throws.
export function connect(onProgress) {
  return inBrowser ? new Browser(onProgress) : new Local();
}

class Local {
  constructor() {
    const given = new URLSearchParams(location.hash.slice(1)).get("token");
    this.token = given || "";
    this.open = 0;
    this.waiting = [];
  }

  // The server answers one message at a time: a few wait there, the others here.
  async ask(message, each, signal) {
    while (this.open >= 3) await new Promise((go) => this.waiting.push(go));
    if (signal?.aborted) { this.waiting.shift()?.(); throw new Stopped(); }
    this.open++;
    try { return await this.send(message, each, signal); } finally { this.open--; this.waiting.shift()?.(); }
  }

  async send(message, each, signal) {
    for (let tries = 0; ; tries++) {
      let answer;
      try {
        answer = await fetch("ask", {
          method: "POST", signal, body: JSON.stringify({ version: VERSION, ...message }),
          headers: { "Content-Type": "application/json", "X-Token": this.token },
        });
      } catch (error) {
        if (signal?.aborted) throw new Stopped();
        throw new Error("The server does not answer. Is `numpygit play` still running?");
      }
      if (answer.status === 429 && tries < 20) {
        await new Promise((go) => setTimeout(go, 150));
        continue;
      }
      if (!answer.ok) throw new Error((await answer.json().catch(() => ({}))).error || answer.statusText);
      return this.read(answer.body.getReader(), each, signal);
    }
  }

  async read(reader, each, signal) {
    const decoder = new TextDecoder();
    let rest = "";
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        rest += decoder.decode(value, { stream: true });
        const lines = rest.split("\n");
        rest = lines.pop();
        for (const line of lines) pass(JSON.parse(line), each);
      }
    } catch (error) {
      reader.cancel().catch(() => {});
      if (signal?.aborted) throw new Stopped();
      throw error;
    }
  }
}

function pass(event, each) {
  if (event.event !== "error") return each(event);
  throw Object.assign(new Error(event.text), { inEdit: event.in_edit });
}

class Browser {
  constructor(onProgress) {
    this.onProgress = onProgress;
    this.waiting = new Map();
    this.number = 0;
    this.start();
  }

  start() {
    this.worker = new Worker("worker.mjs", { type: "module" });
    this.worker.onmessage = ({ data }) => {
      if (data.progress !== undefined) return this.onProgress(data);
      this.waiting.get(data.id)?.(data);
    };
    this.worker.onerror = (error) => this.onProgress({ failed: error.message || "the worker cannot start" });
  }

  // A program that never ends can be stopped only by ending the worker: all the rest fails with it.
  restart() {
    this.worker.terminate();
    for (const each of this.waiting.values()) each({ stopped: true });
    this.waiting.clear();
    this.start();
  }

  ask(message, each, signal) {
    const id = ++this.number;
    return new Promise((done, fail) => {
      const end = (how, value) => { this.waiting.delete(id); how(value); };
      signal?.addEventListener("abort", () => {
        this.worker.postMessage({ cancel: id });
        end(fail, new Stopped());
      });
      this.waiting.set(id, (data) => {
        if (data.stopped) return end(fail, new Stopped());
        if (data.done) return end(done);
        try { pass(data.event, each); } catch (error) { end(fail, error); }
      });
      this.worker.postMessage({ id, message: JSON.stringify({ version: VERSION, ...message }) });
    });
  }
}
