// The reference of a cold start: Hono on its Node server, and nothing else.

import { serve } from '@hono/node-server';
import { Hono } from 'hono';

const app = new Hono();
app.get('/readyz', (context) => context.text('ready'));
serve({ fetch: app.fetch, port: Number(process.env.PORT), hostname: '127.0.0.1' });
