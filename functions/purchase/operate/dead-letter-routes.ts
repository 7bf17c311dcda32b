// What operators may do about dead letters, over HTTP.

import type { Hono } from 'hono';
import { problem } from '#lib/http/problem.ts';
import { KafkaUnavailable } from '#lib/kafka/unavailable.ts';
import type { AppDependencies } from '../app.ts';
import { UnknownLetter } from '../dead-letters/decide-letters.ts';
import {
  describeIssues,
  dropSchema,
  lettersQuerySchema,
  readJson,
  replaySchema,
} from '../requests.ts';
import { Conflict } from './operation.ts';
import { operationOf } from './operation-of.ts';

const path = '/operator/dead-letters';

export function addDeadLetterRoutes(app: Hono, { deadLetters }: AppDependencies): void {
  app.get(path, async (context) => {
    const query = lettersQuerySchema.safeParse(context.req.query());
    if (!query.success) return problem('malformed', { detail: describeIssues(query.error) });
    const all = query.data.all === 'true';
    return explain(async () => context.json(await deadLetters.list({ ...query.data, all })));
  });
  app.get(`${path}/replays/:operationId`, async (context) =>
    explain(async () => {
      const progress = await deadLetters.progress(context.req.param('operationId'));
      if (progress) return context.json(progress);
      return problem('not_found', { detail: 'operationId: nothing was replayed under it.' });
    }),
  );
  app.post(`${path}/replay`, async (context) => {
    const operation = operationOf(context);
    if (operation instanceof Response) return operation;
    const body = replaySchema.safeParse(await readJson(context));
    if (!body.success) return problem('malformed', { detail: describeIssues(body.error) });
    const { ids, force } = body.data;
    return explain(async () =>
      context.json({ letters: await deadLetters.replay(ids, operation, force) }),
    );
  });
  app.post(`${path}/drop`, async (context) => {
    const operation = operationOf(context);
    if (operation instanceof Response) return operation;
    const body = dropSchema.safeParse(await readJson(context));
    if (!body.success) return problem('malformed', { detail: describeIssues(body.error) });
    return explain(async () =>
      context.json({ letters: await deadLetters.drop(body.data.ids, operation) }),
    );
  });
}

async function explain(answer: () => Promise<Response>): Promise<Response> {
  try {
    return await answer();
  } catch (error) {
    if (error instanceof UnknownLetter) {
      return problem('not_found', { detail: `${error.message}: no such dead letter.` });
    }
    if (error instanceof Conflict) return problem('conflict', { detail: error.message });
    if (error instanceof KafkaUnavailable) {
      return problem('unavailable', {
        detail: `Kafka does not answer: ${error.message}; try again.`,
      });
    }
    throw error;
  }
}
