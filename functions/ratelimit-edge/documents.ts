// The storefront's files, read once into memory: a path either is one of them or it is nothing,
// so no path can leave the folder. Compressed once, and revalidated by ETag.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { gzipSync } from 'node:zlib';

export interface StaticDocument {
  readonly body: Uint8Array<ArrayBuffer>;
  /** Where it is smaller than the body. */
  readonly gzipped?: Uint8Array<ArrayBuffer>;
  readonly contentType: string;
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** By public path. */
export type Documents = ReadonlyMap<string, StaticDocument>;

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.ico': 'image/x-icon',
  '.woff2': 'font/woff2',
  '.webmanifest': 'application/manifest+json',
};

/**
 * Nothing from elsewhere, nothing inline, no text that becomes script, no frames; the page talks
 * to its own origin only, and to `connectTo` where that is given.
 */
function policyOf(connectTo: string | undefined): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    connectTo === undefined ? "connect-src 'self'" : `connect-src 'self' ${connectTo}`,
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}

const securityHeaders = {
  'content-security-policy': policyOf(undefined),
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=()',
  // Kept, but asked for each time: a page never runs with another release's script.
  'cache-control': 'no-cache',
  vary: 'accept-encoding',
} as const;

interface DocumentOptions {
  /** For a shop behind TLS: how long browsers insist on that; 0 says nothing of it. */
  readonly hstsMaxAgeSeconds?: number;
}

/** The files in the folder whose kind is one of the above; `index.html` is also `/`. */
export function loadDocuments(
  folder: string,
  { hstsMaxAgeSeconds = 0 }: DocumentOptions = {},
): Documents {
  const documents = new Map<string, StaticDocument>();
  const headers: Record<string, string> = { ...securityHeaders };
  if (hstsMaxAgeSeconds > 0) headers['strict-transport-security'] = `max-age=${hstsMaxAgeSeconds}`;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const contentType = contentTypes[extname(entry.name)];
    if (contentType === undefined || !entry.isFile()) continue;
    const document = documentOf(readFileSync(join(folder, entry.name)), contentType, headers);
    documents.set(`/${entry.name}`, document);
    if (entry.name === 'index.html') documents.set('/', document);
  }
  return documents;
}

/** The document as the page to which a provider sends buyers back: it may redeem their code. */
export function wayBack(document: StaticDocument, tokenSource: string | undefined): StaticDocument {
  const headers = {
    ...document.headers,
    'content-security-policy': policyOf(tokenSource),
    // Its address has a code in it.
    'cache-control': 'no-store',
  };
  return { ...document, headers };
}

function documentOf(
  content: Buffer,
  contentType: string,
  headers: StaticDocument['headers'],
): StaticDocument {
  const body = new Uint8Array(content);
  const gzipped = new Uint8Array(gzipSync(body));
  const digest = createHash('sha256').update(body).digest('base64url').slice(0, 22);
  const etag = `W/"${digest}"`;
  if (gzipped.byteLength >= body.byteLength) return { body, contentType, etag, headers };
  return { body, gzipped, contentType, etag, headers };
}

/** The document, or 304 where the browser has it already. */
export function answerDocument(document: StaticDocument, request: Request): Response {
  const headers: Record<string, string> = { ...document.headers, etag: document.etag };
  if (hasTag(request.headers.get('if-none-match'), document.etag)) {
    return new Response(null, { status: 304, headers });
  }
  headers['content-type'] = document.contentType;
  const takesGzip = /\bgzip\b/.test(request.headers.get('accept-encoding') ?? '');
  if (!takesGzip || document.gzipped === undefined) {
    return new Response(document.body, { status: 200, headers });
  }
  headers['content-encoding'] = 'gzip';
  return new Response(document.gzipped, { status: 200, headers });
}

function hasTag(ifNoneMatch: string | null, etag: string): boolean {
  if (ifNoneMatch === null) return false;
  return ifNoneMatch.split(',').some((tag) => {
    const trimmed = tag.trim();
    return trimmed === '*' || trimmed === etag || `W/${trimmed}` === etag;
  });
}
