// Products that nobody has put on sale, remembered for a moment: whoever invents ids costs MySQL
// one query a second for each, not one for each request.

const rememberedMs = 1_000;
const rememberedMax = 10_000;

export class UnknownProducts {
  readonly #until = new Map<string, number>();

  has(productId: string, nowMs = performance.now()): boolean {
    const until = this.#until.get(productId);
    return until !== undefined && until > nowMs;
  }

  /** It is put on sale: known again after a second at most. */
  add(productId: string, nowMs = performance.now()): void {
    if (this.#until.size >= rememberedMax) this.#until.clear();
    this.#until.set(productId, nowMs + rememberedMs);
  }
}
