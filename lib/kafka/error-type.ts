/** Kafka's own name of what went wrong; empty where the error is not Kafka's. */
export function errorTypeOf(error: unknown): string {
  const { type } = error as { type?: unknown };
  return typeof type === 'string' ? type : '';
}
