// For tests: an edge that answers as it is told to, and is strict about what it is asked. The
// real one is asked in `knative/local`'s tests.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { jwtVerify } from 'jose';
import { OUTCOMES, type Outcome } from '#lib/outcome.ts';

export const fakeKey = 'a key of the fake edge, 32 characters and more';

export interface Asked {
  readonly route: string;
  readonly operator: string;
  readonly operationId: string | undefined;
  readonly body: unknown;
}

/** What is answered: JSON with 200, or a problem. */
export type Answer =
  | { readonly json: unknown }
  | { readonly problem: Outcome; readonly detail?: string; readonly retryAfter?: number }
  | { readonly status: number; readonly text: string };

export interface FakeEdge {
  readonly url: string;
  /** Everything that was asked, in order. */
  readonly asked: readonly Asked[];
  /** What was asked wrongly. A test that ends with any has failed. */
  readonly faults: readonly string[];
  /** Answers to `METHOD /path`; the last one is repeated. */
  on(route: string, ...answers: readonly (Answer | Promise<Answer>)[]): void;
  /** The same for every such route that nothing else is said about. */
  onAny(route: RegExp, ...answers: readonly Answer[]): void;
  close(): Promise<void>;
}

export async function startFakeEdge(): Promise<FakeEdge> {
  const routes = new Map<string, (Answer | Promise<Answer>)[]>();
  const patterns: (readonly [RegExp, Answer[]])[] = [];
  const asked: Asked[] = [];
  const faults: string[] = [];

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const route = `${request.method ?? ''} ${request.url ?? ''}`;
    asked.push(await read(route, request, faults));
    const answers = routes.get(route) ?? patterns.find(([pattern]) => pattern.test(route))?.[1];
    const answer = await (answers !== undefined && answers.length > 1
      ? answers.shift()
      : answers?.[0]);
    if (answer === undefined) faults.push(`${route} was not expected`);
    reply(response, answer ?? { problem: 'not_found' });
  }

  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      faults.push(String(error));
      response.writeHead(500).end();
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    faults,
    on(route, ...answers) {
      routes.set(route, [...answers]);
    },
    onAny(route, ...answers) {
      patterns.push([route, [...answers]]);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function read(route: string, request: IncomingMessage, faults: string[]): Promise<Asked> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const operationId = request.headers['operation-id'];
  const isChange = request.method !== 'GET';
  if (isChange !== /^[\w-]{8,50}$/.test(String(operationId ?? ''))) {
    faults.push(`${route}: operation-id is ${String(operationId)}`);
  }
  if ((text !== '') !== (request.headers['content-type'] === 'application/json')) {
    faults.push(`${route}: content-type does not fit the body`);
  }
  const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  const { payload } = await jwtVerify(token, new TextEncoder().encode(fakeKey), {
    algorithms: ['HS256'],
    issuer: 'seckill',
    audience: 'seckill',
    requiredClaims: ['exp', 'sub'],
  });
  if (payload.scope !== 'operator') faults.push(`${route}: the token is no operator's`);
  return {
    route,
    operator: payload.sub ?? '',
    operationId: typeof operationId === 'string' ? operationId : undefined,
    body: text === '' ? undefined : JSON.parse(text),
  };
}

function reply(response: ServerResponse, answer: Answer): void {
  if ('json' in answer) {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(answer.json));
  } else if ('text' in answer) {
    response.writeHead(answer.status, { 'content-type': 'text/html' }).end(answer.text);
  } else {
    const { status, title } = OUTCOMES[answer.problem];
    response.writeHead(status, {
      'content-type': 'application/problem+json',
      ...(answer.retryAfter === undefined ? {} : { 'retry-after': String(answer.retryAfter) }),
    });
    response.end(JSON.stringify({ title, status, outcome: answer.problem, detail: answer.detail }));
  }
}
