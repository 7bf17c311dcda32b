// Vitest runs this once before all tests: the stores are up, and their addresses are in the
// environment that every worker inherits, under the names the functions read.

import { startStack } from './stack.ts';

export default async function setup(): Promise<() => Promise<void>> {
  const stack = await startStack();
  Object.assign(process.env, stack.env);
  return () => stack.stop();
}
