// Python in the browser: Pyodide, NumPy, Pillow and the wheel of numpygit, answering messages.

const tell = (progress, text) => postMessage({ progress, text });
const cancelled = new Set();
const queue = [];
let handle, busy = false;

async function checked(name, settings) {
  const options = settings.integrity[name] ? { integrity: settings.integrity[name] } : {};
  const answer = await fetch(settings.base + name, options);
  if (!answer.ok) throw new Error(`${name} could not be fetched (${answer.status})`);
  return answer.arrayBuffer();
}

async function start() {
  const settings = await (await fetch("settings.json")).json();
  settings.base = new URL(settings.pyodide, self.location.href).href;
  tell(4, "fetching Python");
  let count = 0;
  const names = Object.keys(settings.integrity);
  // each file is fetched once and checked against its hash; Pyodide then finds it in the cache
  await Promise.all(names.map(async (name) => {
    await checked(name, settings);
    tell(4 + 36 * ++count / names.length, "fetching Python");
  }));
  const { loadPyodide } = await import(settings.base + "pyodide.mjs");
  const python = await loadPyodide({ indexURL: settings.base });
  tell(55, "fetching NumPy and Pillow");
  await python.loadPackage(settings.packages, { messageCallback() {} });
  tell(75, "fetching numpygit and the bundled model");
  const wheel = await fetch(settings.wheel);
  python.unpackArchive(await wheel.arrayBuffer(), "wheel");
  tell(85, "waking the model");
  handle = python.runPython(`
import json, numpygit
from numpygit.playground.answers import Playground
playground = Playground(numpygit.load("storybook"), editable=True)
lambda text: map(json.dumps, playground.handle(json.loads(text)))
`);
  tell(100, "ready");
}

let failed = "";
const ready = start().catch((error) => {
  failed = "Python could not start here: " + String(error.message || error).trim().split("\n").pop();
  console.error(error);
});
const breathe = () => new Promise((go) => { const c = new MessageChannel(); c.port1.onmessage = () => go(); c.port2.postMessage(0); });

async function work() {
  if (busy) return;
  busy = true;
  await ready;
  while (queue.length) {
    const { id, message } = queue.shift();
    let events;
    try {
      if (cancelled.has(id)) continue;
      if (failed) throw new Error(failed);
      events = handle(message);
      for (const event of events) {
        postMessage({ id, event: JSON.parse(event) });
        await breathe(); // hear "cancel" between two events
        if (cancelled.has(id)) break;
      }
    } catch (error) {
      postMessage({ id, event: { event: "error", text: String(error.message || error).trim().split("\n").pop() } });
    } finally {
      events?.destroy?.();
      cancelled.delete(id);
      postMessage({ id, done: true });
    }
  }
  busy = false;
}

onmessage = ({ data }) => {
  if (data.cancel) return cancelled.add(data.cancel);
  queue.push(data);
  work();
};
