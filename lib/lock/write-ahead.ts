// The write-ahead record of one instance: which lease is, or is about to be, its own, and which
// products it works on. What a call has written is on the disk when its promise resolves; a crash
// leaves either the record before or the record after, and anything else is recognised.

import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface LockRecord {
  readonly uuid: string;
  readonly leaseId: string;
  /** Every product queued for or held since the lease began; some may have been released. */
  readonly products: readonly string[];
}

/** A file that could not be used and was renamed. */
export interface SetAside {
  readonly path: string;
  readonly reason: 'torn' | 'foreign' | 'other-version';
}

export interface WriteAhead {
  /** The record that was found, if a usable one was. */
  read(): Promise<LockRecord | undefined>;
  /** Before a lease is granted: the products are kept, as nobody has seen to them yet. */
  begin(uuid: string, leaseId: string): Promise<void>;
  /** Before a product is queued for. Calls at the same time share one write. */
  include(productId: string): Promise<void>;
  /** The instance has left in good order: nothing is to be resumed. */
  clear(): Promise<void>;
}

const magic = 'seckill-lock-record';
const version = '1';

export function openWriteAhead(
  directory: string,
  onSetAside: (found: SetAside) => void,
): WriteAhead {
  const path = join(directory, 'lock.record');
  let record: LockRecord = { uuid: '', leaseId: '', products: [] };
  let written: LockRecord | undefined;
  let writing: Promise<void> = Promise.resolve();
  let next: Promise<void> | undefined;

  /** After the write that is under way, so that one file is never written twice at once. */
  function write(): Promise<void> {
    next ??= writing
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        const content = record;
        writing = replaceFile(directory, path, encode(content)).then(() => {
          written = content;
        });
        return writing;
      });
    return next;
  }

  return {
    async read() {
      await mkdir(directory, { recursive: true });
      const text = await readIfThere(path);
      if (text === undefined) return undefined;
      const decoded = decode(text);
      if (typeof decoded !== 'string') {
        record = decoded;
        written = decoded;
        return decoded;
      }
      const found = { path: `${path}.set-aside`, reason: decoded };
      await rename(path, found.path);
      await syncDirectory(directory);
      onSetAside(found);
      return undefined;
    },
    async begin(uuid, leaseId) {
      record = { ...record, uuid, leaseId };
      await write();
    },
    async include(productId) {
      if (written?.uuid === record.uuid && written.products.includes(productId)) return;
      if (!record.products.includes(productId)) {
        record = { ...record, products: [...record.products, productId] };
      }
      await write();
    },
    async clear() {
      await writing.catch(() => undefined);
      await rm(path, { force: true });
      await syncDirectory(directory);
    },
  };
}

function encode(record: LockRecord): string {
  const body = `${JSON.stringify(record)}\n`;
  return `${magic} ${version} ${checksum(body)}\n${body}`;
}

/** The record, or what is wrong with it. */
function decode(text: string): LockRecord | SetAside['reason'] {
  const end = text.indexOf('\n');
  const [foundMagic, foundVersion, foundChecksum] = text.slice(0, Math.max(end, 0)).split(' ');
  if (end < 0) return text.startsWith(magic) || magic.startsWith(text) ? 'torn' : 'foreign';
  if (foundMagic !== magic) return 'foreign';
  if (foundVersion !== version) return 'other-version';
  const body = text.slice(end + 1);
  // Whatever bears the checksum was written here, in full.
  return foundChecksum === checksum(body) ? (JSON.parse(body) as LockRecord) : 'torn';
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex');
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function replaceFile(directory: string, path: string, content: string): Promise<void> {
  // A name of its own: another process on the same directory must not write into it.
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  await syncDirectory(directory);
}

/** A rename is durable once its directory is. */
async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
