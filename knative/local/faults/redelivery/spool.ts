// Events on disk, to be read again and again in any order: memory holds only where each lies.

import { type FileHandle, open } from 'node:fs/promises';
import { messageOf } from '#functions/purchase/sell/publish.ts';
import type { Message } from '#lib/kafka/producer.ts';
import type { PlannedEvent } from './planned-sale.ts';

interface Place {
  readonly productId: string;
  readonly batchId: string;
  readonly at: number;
  readonly bytes: number;
}

export interface Spool {
  /** Appends events; resolves with how many there are now. */
  add(events: Iterable<PlannedEvent>): Promise<number>;
  /** The event as `purchase` publishes it. */
  message(index: number): Promise<Message>;
  productOf(index: number): string | undefined;
  close(): Promise<void>;
}

export async function openSpool(path: string, signingKeys: readonly string[]): Promise<Spool> {
  const file: FileHandle = await open(path, 'w+');
  const places: Place[] = [];
  let end = 0;
  return {
    async add(events) {
      for (const { batchId, event } of events) {
        const bytes = Buffer.from(JSON.stringify(event));
        await file.write(bytes, 0, bytes.length, end);
        places.push({ productId: event.productId, batchId, at: end, bytes: bytes.length });
        end += bytes.length;
      }
      return places.length;
    },
    async message(index) {
      const place = places[index];
      if (place === undefined) throw new Error(`there is no event ${index}`);
      const { productId, batchId, at, bytes } = place;
      const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
      if (bytesRead !== bytes) throw new Error(`event ${index} is not whole`);
      return messageOf({ productId, batchId, data: buffer.toString() }, signingKeys);
    },
    productOf: (index) => places[index]?.productId,
    close: () => file.close(),
  };
}
