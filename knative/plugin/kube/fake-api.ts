// For tests: an API server that knows the paths and verbs the plugin is to use, and no others.
// What it is asked wrongly is a fault, and a test that ends with any has failed. It has rights by
// rule, conflicts, pages, strict fields by the real schemas, and whatever Knative's webhook refuses.

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import {
  answer,
  createState,
  fakeToken,
  fakeUser,
  keyOf,
  type Made,
  type ProxyHandler,
  type State,
} from './fake-answers.ts';
import type { Objects } from './fake-objects.ts';
import type { KubeKind, KubeObject } from './kinds.ts';

export interface FakeApi {
  readonly url: string;
  readonly objects: Objects;
  readonly requests: readonly Made[];
  /** What was asked wrongly. */
  readonly faults: readonly string[];
  /** Items on a page of a list, however many were asked for. */
  pageSize: number;
  /** How far its clock is ahead of the one here. */
  aheadMs: number;
  /** Puts an object there as if it had always been, unchecked: its status may say anything. */
  put(object: KubeObject): void;
  /** What is there; undefined where it is not. */
  at(kind: KubeKind, name: string, namespace?: string): KubeObject | undefined;
  /** From now on the caller may not; `*` is any verb. */
  forbid(verb: string, resource: string, namespace?: string): void;
  /** Does something before each such request is carried out, as another client would. */
  before(verb: string, resource: string, act: (made: Made) => void): void;
  /** Answers behind `pods/NAME:PORT` or `services/NAME:PORT` of a namespace. */
  proxy(namespace: string, target: string, handler: ProxyHandler): void;
  /** Group and version that the cluster has not got. */
  lacks(apiVersion: string): void;
  /** Writes a kubeconfig for it into a folder; its path. */
  kubeconfig(folder: string): string;
  close(): Promise<void>;
}

export async function startFakeApi(): Promise<FakeApi> {
  const state = createState();
  const server = createServer((request, response) => {
    answer(request, state).then(
      ({ code, type = 'application/json', text }) => {
        const date = new Date(Date.now() + state.aheadMs).toUTCString();
        response.writeHead(code, { 'content-type': type, date }).end(text);
      },
      (error: unknown) => {
        state.faults.push(String(error));
        response.writeHead(500).end();
      },
    );
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' ? (address?.port ?? 0) : 0}`;
  // Not spread: what can be set would be a copy of its value.
  return Object.assign(handles(state), {
    url,
    kubeconfig(folder: string) {
      const file = join(folder, 'kubeconfig');
      writeFileSync(file, JSON.stringify(configOf(url)));
      return file;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

function configOf(server: string): object {
  return {
    ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'fake' },
    // Plain HTTP is only taken with this.
    clusters: [{ name: 'fake', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: fakeUser, user: { token: fakeToken } }],
    contexts: [{ name: 'fake', context: { cluster: 'fake', user: fakeUser } }],
  };
}

type Handles = Omit<FakeApi, 'url' | 'kubeconfig' | 'close'>;

function handles(state: State): Handles {
  const { objects, requests, faults } = state;
  return {
    ...{ objects, requests, faults },
    get pageSize() {
      return state.pageSize;
    },
    set pageSize(size) {
      state.pageSize = size;
    },
    get aheadMs() {
      return state.aheadMs;
    },
    set aheadMs(ms) {
      state.aheadMs = ms;
    },
    put(object) {
      const key = keyOf(object, object.metadata.name, object.metadata.namespace);
      objects.keep(key, object, { isChecked: false });
    },
    at: (kind, name, namespace) => objects.find(keyOf(kind, name, namespace)),
    forbid(verb, resource, namespace) {
      state.forbidden.push({ verb, resource, namespace });
    },
    before(verb, resource, act) {
      state.acts.push({ verb, resource, act });
    },
    proxy(namespace, target, handler) {
      state.proxies.set(`${namespace}/${target}`, handler);
    },
    lacks(apiVersion) {
      state.lacking.add(apiVersion);
    },
  };
}
