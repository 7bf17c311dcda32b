import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { overlayFolder, overlays, render } from './render.ts';
import { problemsOf } from './rules.ts';

const slowMs = 60_000;

test('every overlay passes all rules', { timeout: slowMs }, () => {
  expect(overlays).toContain('bring-your-own');
  const problems = overlays.flatMap((overlay) =>
    problemsOf(render(overlayFolder(overlay))).map((problem) => `${overlay}: ${problem}`),
  );
  expect(problems).toEqual([]);
});

test('npm run check says what is wrong with an overlay, and fails', { timeout: slowMs }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'overlay-'));
  try {
    const overlay = join(folder, 'broken');
    mkdirSync(overlay);
    const kustomization = {
      resources: [relative(overlay, resolve(import.meta.dirname, '../base'))],
      patches: [
        {
          target: { kind: 'KafkaSource', name: 'persist-order' },
          patch: JSON.stringify([{ op: 'remove', path: '/spec/consumerGroup' }]),
        },
      ],
    };
    writeFileSync(join(overlay, 'kustomization.yaml'), JSON.stringify(kustomization));
    const asked = relative(overlayFolder('.'), overlay);
    const main = join(import.meta.dirname, 'main.ts');
    const { status, stderr } = spawnSync('node', [main, asked], { encoding: 'utf8' });
    expect(stderr).toContain('KafkaSource persist-order: consumerGroup is random');
    expect(status).toBe(1);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
