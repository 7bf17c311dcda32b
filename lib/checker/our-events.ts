// Which of the records that name a sale are its events: whoever may write to the topics can write
// its name, and what no key of ours has signed was accepted by nobody.

import { readOrderEvent } from '#lib/order-event.ts';
import type { EventFact, Facts } from './facts.ts';

/**
 * The facts without what is not ours. An unsigned event counts all the same where rows name its
 * batch and no signed one tells of it: its key was retired since.
 */
export function withOurEvents(facts: Facts): Facts {
  const { events, deadLetters } = facts.kafka;
  const all = [...events, ...Object.values(deadLetters).flat()];
  if (all.every(isSignedOrNotAsked)) return facts;
  const signed = new Set(all.filter(isSignedOrNotAsked).map(({ id }) => id));
  const written = new Set(facts.mysql.orders.map(({ batchId }) => batchId));
  const isOurs = (event: EventFact) =>
    isSignedOrNotAsked(event) ||
    (written.has(event.id) && !signed.has(event.id) && readOrderEvent(event.data) !== undefined);
  const ours = {
    'persist-order': deadLetters['persist-order'].filter(isOurs),
    'update-rank': deadLetters['update-rank'].filter(isOurs),
  };
  return { ...facts, kafka: { ...facts.kafka, events: events.filter(isOurs), deadLetters: ours } };
}

const isSignedOrNotAsked = ({ signed }: EventFact) => signed !== false;
