// How the checker's loops are cut into steps: whoever runs them lets other work have its turn between
// two of them, and a sale may have a million orders.

/** Some milliseconds' worth. */
const itemsPerStep = 1_000;

/** Of a loop: true for every so many'th item, when it is time to yield. */
export function createPace(): () => boolean {
  let items = 0;
  return () => {
    items += 1;
    return items % itemsPerStep === 0;
  };
}
