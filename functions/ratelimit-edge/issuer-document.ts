// What an issuer publishes about itself as JSON: its keys, and where one signs in with it. It is
// believed by its address alone, so nothing is followed elsewhere, and neither time nor size is
// the issuer's to choose.

const timeoutMs = 3_000;
const documentBytesMax = 262_144;

/** The document at `url`; rejects unless it is a 200 with JSON, within 3 s and 256 KiB. */
export async function readIssuerDocument(url: URL): Promise<unknown> {
  const response = await fetch(url, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  });
  if (response.status !== 200) {
    await response.body?.cancel();
    throw new Error(`the answer was ${response.status}`);
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
