// The buyers of a demo sale: each token of standard input buys one unit, twenty at a time. It needs
// nothing but Node, as it runs beside the CLI in its image. Usage: node demo-crowd.ts PRODUCT

const atOnce = 20;
const url = `${process.env.SECKILL_URL ?? ''}/api/products/${process.argv[2] ?? ''}/purchase`;

/** By status: how many were answered so. */
const answered: Record<number, number> = {};

async function buy(token: string, index: number): Promise<void> {
  const { status } = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'idempotency-key': `demo-crowd-${index}`,
      'content-type': 'application/json',
    },
    body: '{"quantity":1}',
  });
  answered[status] = (answered[status] ?? 0) + 1;
}

async function main(): Promise<void> {
  let text = '';
  for await (const chunk of process.stdin) text += String(chunk);
  const waiting = text.trim().split('\n').entries();
  const work = async () => {
    for (const [index, token] of waiting) await buy(token, index);
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  console.log(JSON.stringify(answered));
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
