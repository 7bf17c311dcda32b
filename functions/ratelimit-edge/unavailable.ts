// What is thrown where a store or `purchase` does not answer; the buyer then gets 503.

/** What was asked may have been done, or not: nobody answered. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}

/** A reply of Redis, or `Unavailable` where it does not answer. */
export async function fromRedis<Reply>(reply: Promise<Reply>): Promise<Reply> {
  try {
    return await reply;
  } catch (error) {
    throw new Unavailable('Redis did not answer', { cause: error });
  }
}
