// Local receivers of notifications, which keep what they get: an SMTP server with a password, and
// an HTTP endpoint that answers as Slack's or DingTalk's webhook does.

import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface Mail {
  /** Base64 of `\0user\0password`, as the client sent it. */
  readonly login: string;
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

export interface Mailbox {
  /** `host:port` */
  readonly address: string;
  readonly mails: readonly Mail[];
  stop(): void;
}

/** As much of SMTP (RFC 5321, AUTH PLAIN of RFC 4954) as a client needs to hand over a mail. */
export async function startMailbox(): Promise<Mailbox> {
  const mails: Mail[] = [];
  const server = createServer((socket) => {
    converse(socket, mails);
  });
  const address = await listening(server);
  return { address, mails, stop: () => server.close() };
}

function converse(socket: Socket, mails: Mail[]): void {
  let [login, from, to] = ['', '', ''];
  let data: string[] | undefined;
  const say = (line: string) => socket.write(`${line}\r\n`);
  say('220 mailbox ESMTP');
  socket.on('error', () => undefined);
  createInterface({ input: socket }).on('line', (line) => {
    if (data !== undefined) {
      if (line !== '.') {
        data.push(line);
        return;
      }
      mails.push({ login, from, to, text: data.join('\n') });
      data = undefined;
      say('250 kept');
      return;
    }
    const [verb = '', rest = ''] = line.split(/ (.*)/s);
    switch (verb.toUpperCase()) {
      case 'EHLO':
        say('250-mailbox');
        say('250 AUTH PLAIN');
        break;
      case 'AUTH':
        login = rest.replace(/^PLAIN /, '');
        say('235 welcome');
        break;
      case 'MAIL':
        from = rest;
        say('250 ok');
        break;
      case 'RCPT':
        to = rest;
        say('250 ok');
        break;
      case 'DATA':
        data = [];
        say('354 go on');
        break;
      case 'QUIT':
        say('221 bye');
        socket.end();
        break;
      default:
        say('502 not here');
    }
  });
}

export interface Post {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
}

export interface Webhook {
  readonly url: string;
  readonly posts: readonly Post[];
  stop(): void;
}

/** Keeps every POST, and answers it with this. */
export async function startWebhook(answer: string): Promise<Webhook> {
  const posts: Post[] = [];
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
      posts.push({ path: request.url ?? '', headers: request.headers, body });
      response.writeHead(200).end(answer);
    });
  });
  const address = await listening(server);
  return { url: `http://${address}`, posts, stop: () => server.close() };
}

async function listening(server: ReturnType<typeof createServer>): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}
