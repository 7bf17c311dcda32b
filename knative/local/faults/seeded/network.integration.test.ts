import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lookUp } from '../../stores/programs.ts';

const program = join(import.meta.dirname, 'network-under-test.ts');
const unshared = (...command: string[]) =>
  spawnSync('unshare', ['--net', ...command], { encoding: 'utf8' });
// `npm run faults` installs them; where they are missing, or not allowed, it says so.
const isPossible =
  process.platform === 'linux' &&
  ['unshare', 'ip', 'nft'].every((one) => lookUp(one) !== undefined) &&
  unshared('true').status === 0;

test.skipIf(!isPossible)('what is cut is silent both ways, and goes on afterwards', () => {
  const script = 'ip link set lo up && exec "$@"';
  const ran = unshared('sh', '-c', script, 'sh', process.execPath, program);
  expect(ran.stderr).toBe('');
  const silent = { asked: 0, answered: 0, goesOn: true };
  const asEver = {
    asked: expect.toSatisfy((count: number) => count > 5) as number,
    answered: expect.toSatisfy((count: number) => count > 5) as number,
    goesOn: true,
  };
  const seen = JSON.parse(ran.stdout) as Record<string, { asked: number }>;
  expect(seen).toMatchObject({
    ...{ nothing: asEver, thirdCut: asEver, partedFromThird: asEver, unansweredToThird: asEver },
    ...{ serverCut: silent, clientCut: silent, parted: silent },
    unanswered: { answered: 0, goesOn: true },
    slow: { goesOn: true },
  });
});
