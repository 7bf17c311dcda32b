// What an issuer publishes about itself as JSON: its keys, and where one signs in with it. It is
// believed by its address alone, so nothing is followed elsewhere, and neither time nor size is
// the issuer's to choose. However many ask, it is read once at a time and seldom.

const timeoutMs = 3_000;
const documentBytesMax = 262_144;
/** How soon the issuer is asked again: after an answer, and at first after a failure. */
const pauseMs = 30_000;
const firstPauseMs = 1_000;

export interface IssuerDocumentOptions<Value> {
  readonly url: URL;
  readonly now: () => number;
  /** What the document says; throws where it cannot be used. */
  readonly parse: (document: unknown, before: Value | undefined) => Value;
  /** It could not be read: at most once a second, every 30 s when it lasts. */
  readonly onFault: (error: unknown) => void;
}

export class IssuerDocument<Value> {
  /** As it was read last. */
  value: Value | undefined;
  /** Attempts since then that failed. */
  failures = 0;
  private readonly options: IssuerDocumentOptions<Value>;
  private readAtMs = Number.NEGATIVE_INFINITY;
  private pausedUntilMs = Number.NEGATIVE_INFINITY;
  private pending: Promise<void> | undefined;

  constructor(options: IssuerDocumentOptions<Value>) {
    this.options = options;
  }

  ageMs(): number {
    return this.options.now() - this.readAtMs;
  }

  /** Reads it, unless it was read or failed a moment ago. Never rejects. */
  refresh(): Promise<void> {
    if (this.pending === undefined && this.options.now() >= this.pausedUntilMs) {
      this.pending = this.read().finally(() => {
        this.pending = undefined;
      });
    }
    return this.pending ?? Promise.resolve();
  }

  private async read(): Promise<void> {
    const { url, now, parse, onFault } = this.options;
    try {
      this.value = parse(await fetchDocument(url), this.value);
      this.failures = 0;
      this.readAtMs = now();
      this.pausedUntilMs = this.readAtMs + pauseMs;
    } catch (error) {
      this.failures += 1;
      this.pausedUntilMs = now() + Math.min(pauseMs, firstPauseMs * 2 ** (this.failures - 1));
      onFault(error);
    }
  }
}

/** Rejects unless the answer is a 200 with JSON, within 3 s and 256 KiB. */
async function fetchDocument(url: URL): Promise<unknown> {
  const response = await fetch(url, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`${url.href} answers ${response.status}`);
  }
  return JSON.parse(await textWithin(response, documentBytesMax));
}

async function textWithin(response: Response, bytesMax: number): Promise<string> {
  const body: AsyncIterable<Uint8Array> | Uint8Array[] = response.body ?? [];
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the rest.
    if (bytes > bytesMax) throw new Error(`the answer is longer than ${bytesMax} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
