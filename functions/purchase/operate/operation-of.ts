// Who changes what, as a request says it.

import type { Context } from 'hono';
import { problem } from '#lib/http/problem.ts';
import { operationHeader, operatorHeader } from '#lib/http/signature.ts';
import { describeIssues, operationSchema } from '../requests.ts';
import type { Operation } from './operation.ts';

/** The operation of a signed request, or the answer to one that names none. */
export function operationOf(context: Context): Operation | Response {
  const operation = operationSchema.safeParse({
    operationId: context.req.header(operationHeader),
    operator: decodeURIComponent(context.req.header(operatorHeader) ?? ''),
  });
  if (operation.success) return operation.data;
  return problem('malformed', { detail: `operation-id: ${describeIssues(operation.error)}` });
}
