// Run by network.integration.test.ts in a network of its own: a server and a client, each a process
// of a group of its own, and what the client hears while something is done to their network.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startProcess } from '../../process.ts';
import { openNetwork, type Restore } from './network.ts';

const [server, client, third] = [
  { groupId: 61_001, ports: [9_001] },
  { groupId: 61_002, ports: [9_002] },
  { groupId: 61_003, ports: [9_003] },
];
const folder = mkdtempSync(join(tmpdir(), 'seckill-network-'));
const seen = (name: string) => readFileSync(join(folder, name), 'utf8').split('\n').length - 1;

/** Says a line for each request. */
const serve = `require('node:http').createServer((_, answer) => {
  console.log('asked');
  answer.end();
}).listen(9001, '127.0.0.1')`;
/** Asks all the time on one connection, and says a line for each answer. */
const ask = `const http = require('node:http');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
const next = () => {
  const asked = http.get({ agent, host: '127.0.0.1', port: 9001 }, (answer) => {
    console.log('answered');
    answer.resume().once('end', () => setTimeout(next, 10));
  });
  asked.once('error', () => setTimeout(next, 10));
};
next();`;

async function start(name: string, script: string, groupId: number) {
  return startProcess({
    ...{ name, command: process.execPath, args: ['-e', script], groupId },
    ...{ logFile: join(folder, name), graceMs: 0 },
  });
}

/** How many lines more each of them has said after a while of this. */
async function whatIsSeen(change: () => Promise<Restore>) {
  const restore = await change();
  // What was under way.
  await pause(100);
  const before = [seen('server'), seen('client')] as const;
  await pause(700);
  const [asked, answered] = [seen('server') - before[0], seen('client') - before[1]];
  await restore();
  // It is sent again by the kernel, at intervals that grow.
  const told = seen('client');
  const deadline = Date.now() + 10_000;
  while (seen('client') <= told && Date.now() < deadline) await pause(20);
  return { asked, answered, goesOn: seen('client') > told };
}

const network = await openNetwork([server.groupId, client.groupId, third.groupId]);
const running = [
  await start('server', serve, server.groupId),
  await start('client', ask, client.groupId),
];
try {
  const deadline = Date.now() + 10_000;
  while (seen('client') === 0 && Date.now() < deadline) await pause(20);
  const all = {
    nothing: await whatIsSeen(() => Promise.resolve(() => Promise.resolve())),
    serverCut: await whatIsSeen(() => network.cut(server)),
    clientCut: await whatIsSeen(() => network.cut(client)),
    thirdCut: await whatIsSeen(() => network.cut(third)),
    parted: await whatIsSeen(() => network.part(server, client)),
    partedFromThird: await whatIsSeen(() => network.part(server, third)),
    slow: await whatIsSeen(() => network.slow(server, 60)),
    unanswered: await whatIsSeen(() => network.loseAnswers(server, [client])),
    unansweredToThird: await whatIsSeen(() => network.loseAnswers(server, [third])),
  };
  console.log(JSON.stringify(all));
} finally {
  await Promise.all(running.map((one) => one.stop()));
  rmSync(folder, { recursive: true, force: true });
}
