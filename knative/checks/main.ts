// Checks every overlay, as a step of `npm run check`: says what is wrong with each, one line a
// problem, and exits 1 where there is any. By hand: node knative/checks/main.ts [overlay …]

import { overlayFolder, overlays, render } from './render.ts';
import { problemsOf } from './rules.ts';

const asked = process.argv.slice(2);
for (const overlay of asked.length > 0 ? asked : overlays) {
  const problems = problemsOf(render(overlayFolder(overlay)));
  for (const problem of problems) console.error(`${overlay}: ${problem}`);
  if (problems.length > 0) process.exitCode = 1;
}
