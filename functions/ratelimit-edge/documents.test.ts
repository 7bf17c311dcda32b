import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { answerDocument, type Documents, loadDocuments, wayBack } from './documents.ts';

let folder: string;
let documents: Documents;
const page = `<!doctype html>${'<p>Seckill</p>'.repeat(50)}`;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'documents-'));
  writeFileSync(join(folder, 'index.html'), page);
  writeFileSync(join(folder, 'icon.svg'), '<svg/>');
  writeFileSync(join(folder, 'storefront.ts'), 'source');
  writeFileSync(join(folder, 'storefront.js.map'), '{}');
  mkdirSync(join(folder, 'folder.js'));
  documents = loadDocuments(folder);
});

afterAll(() => {
  rmSync(folder, { recursive: true });
});

function get(path: string, headers: Record<string, string> = {}): Response {
  const document = documents.get(path);
  if (document === undefined) throw new Error(`there is no ${path}`);
  return answerDocument(document, new Request('http://edge/', { headers }));
}

test('only what a browser needs is served', () => {
  expect([...documents.keys()].sort()).toEqual(['/', '/icon.svg', '/index.html']);
});

test('the page may load nothing from elsewhere and nothing inline', async () => {
  const response = get('/');
  expect(await response.text()).toBe(page);
  expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
  const policy = response.headers.get('content-security-policy');
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("connect-src 'self';");
  expect(policy).toContain("require-trusted-types-for 'script'");
  expect(policy).not.toContain('unsafe');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(response.headers.has('access-control-allow-origin')).toBe(false);
});

test('the page of the way back may talk to one address more, and is not kept', () => {
  const page1 = documents.get('/');
  if (page1 === undefined) throw new Error('there is no page');
  const to = (source?: string) =>
    answerDocument(wayBack(page1, source), new Request('http://edge/signed-in')).headers;
  const headers = to('https://id.example/token');
  const usual = get('/').headers.get('content-security-policy');
  expect(headers.get('content-security-policy')).toBe(
    usual?.replace("connect-src 'self'", "connect-src 'self' https://id.example/token"),
  );
  expect(headers.get('cache-control')).toBe('no-store');
  expect(headers.get('referrer-policy')).toBe('no-referrer');
  expect(to().get('content-security-policy')).toBe(usual);
});

test('browsers are told to insist on TLS where the shop has it', () => {
  expect(get('/').headers.has('strict-transport-security')).toBe(false);
  const behindTls = loadDocuments(folder, { hstsMaxAgeSeconds: 63_072_000 }).get('/');
  if (behindTls === undefined) throw new Error('there is no page');
  const { headers } = answerDocument(behindTls, new Request('http://edge/'));
  expect(headers.get('strict-transport-security')).toBe('max-age=63072000');
});

test('what the browser has already is not sent again', async () => {
  const etag = get('/').headers.get('etag') ?? '';
  const again = get('/', { 'if-none-match': `"other", ${etag}` });
  expect(again.status).toBe(304);
  expect(await again.text()).toBe('');
  expect(get('/', { 'if-none-match': '"other"' }).status).toBe(200);
});

test('it is sent compressed to who takes that, where it becomes smaller', async () => {
  const page1 = get('/', { 'accept-encoding': 'br, gzip' });
  expect(page1.headers.get('content-encoding')).toBe('gzip');
  expect(gunzipSync(await page1.arrayBuffer()).toString()).toBe(page);
  expect(get('/icon.svg', { 'accept-encoding': 'gzip' }).headers.has('content-encoding')).toBe(
    false,
  );
  expect(get('/').headers.has('content-encoding')).toBe(false);
});
