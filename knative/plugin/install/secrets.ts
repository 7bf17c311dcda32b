// The Secrets that the functions and the stores need: those that are missing are made with random
// values, and one that exists is never changed. No value is ever printed.

import { randomBytes, randomInt } from 'node:crypto';
import { type Kube, KubeError, type KubeObject, kinds, type WriteOptions } from '../kube/client.ts';

export interface SecretResult {
  readonly name: string;
  readonly result: 'made' | 'kept' | 'missing';
  /** Of one that is there: keys that it lacks. Of one that is missing: all that it must have. */
  readonly lacks: readonly string[];
  /** It was there, and names another password than the store's own Secret. */
  readonly differs?: boolean;
}

type Values = Readonly<Record<string, string>>;

interface StoredSecret extends KubeObject {
  readonly data?: Values;
}

interface ConfigMap extends KubeObject {
  readonly data?: Values;
}

/** Where the stores are that the overlay brings; no such ConfigMap: they are the operator's own. */
const storesName = 'seckill-stores';

/** Users of the stores that an overlay brings, by the store's Secret. */
const storeUsers = {
  mysql: ['root', 'purchase', 'persist-order', 'migrate', 'backup'],
  redis: ['admin', 'replica', 'ratelimit-edge', 'purchase', 'persist-order', 'update-rank'],
  etcd: ['root', 'purchase'],
} as const satisfies Readonly<Record<string, readonly string[]>>;
type StoreName = keyof typeof storeUsers;

/** What each function's Secret must hold. */
export const functionSecrets: Readonly<Record<string, readonly string[]>> = {
  'ratelimit-edge': ['SECKILL_REDIS_URL'],
  purchase: ['SECKILL_REDIS_URL', 'SECKILL_MYSQL_URL'],
  'persist-order': ['SECKILL_REDIS_URL', 'SECKILL_MYSQL_URL'],
  'update-rank': ['SECKILL_REDIS_URL'],
  migrate: ['SECKILL_MYSQL_URL'],
};
export const keysSecret = 'seckill-keys';
export const keyNames = ['SECKILL_JWT_KEY', 'SECKILL_SIGNING_KEYS', 'SECKILL_PSEUDONYM_KEY'];

const passwordCharacters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';
const passwordLength = 32;

/**
 * Makes the Secrets that are missing. Where the stores are not the overlay's, the functions'
 * Secrets are not made: the result says what they must hold. Whoever else makes them at the same
 * time wins or loses as a whole. A dry run makes none, and says which it would. Throws KubeError.
 */
export async function makeSecrets(kube: Kube, options: WriteOptions = {}): Promise<SecretResult[]> {
  const results: SecretResult[] = [];
  const make = async (name: string, values: () => Values, names: readonly string[]) => {
    const { result, secret } = await ensure(kube, name, values, options);
    results.push({ name, result, lacks: names.filter((key) => !secret.has(key)) });
    return secret;
  };
  await make(keysSecret, () => valuesOf(keyNames, newKey), keyNames);
  const addresses = (await kube.get<ConfigMap>({ ...kinds.configMap, name: storesName }))?.data;
  if (addresses === undefined) {
    for (const [name, keys] of Object.entries(functionSecrets)) {
      const there = await readSecret(kube, name);
      const lacks = keys.filter((key) => there?.has(key) !== true);
      results.push({ name, result: there ? 'kept' : 'missing', lacks });
    }
    return results;
  }
  const passwords = new Map<StoreName, ReadonlyMap<string, string>>();
  for (const store of Object.keys(storeUsers) as StoreName[]) {
    const users: readonly string[] = storeUsers[store];
    passwords.set(store, await make(store, () => valuesOf(users, newPassword), users));
  }
  const access = {
    addresses,
    passwordOf: (store: StoreName, user: string) => passwords.get(store)?.get(user) ?? '',
  };
  for (const name of Object.keys(functionSecrets)) {
    const wanted = urlsOf(name, access);
    const { result, secret } = await ensure(kube, name, () => wanted, options);
    const entries = Object.entries(wanted);
    const lacks = entries.filter(([key]) => !secret.has(key)).map(([key]) => key);
    const differs = entries.some(([key, value]) => (secret.get(key) ?? value) !== value);
    results.push({ name, result, lacks, ...(differs ? { differs } : {}) });
  }
  return results;
}

interface Access {
  readonly addresses: Values;
  readonly passwordOf: (store: StoreName, user: string) => string;
}

/** A function's own way to the stores: its user is called as it is. */
function urlsOf(user: string, { addresses, passwordOf }: Access): Values {
  const values: Record<string, string> = {};
  for (const key of functionSecrets[user] ?? []) {
    const store = key === 'SECKILL_REDIS_URL' ? 'redis' : 'mysql';
    values[key] = (addresses[store] ?? '')
      .split(',')
      .map((address) => `${store}://${user}:${passwordOf(store, user)}@${address.trim()}`)
      .join(',');
  }
  if (user === 'purchase' && addresses['etcd'] !== undefined) {
    values['SECKILL_ETCD_USERNAME'] = user;
    values['SECKILL_ETCD_PASSWORD'] = passwordOf('etcd', user);
  }
  return values;
}

interface Ensured {
  readonly result: 'made' | 'kept';
  readonly secret: ReadonlyMap<string, string>;
}

async function ensure(
  kube: Kube,
  name: string,
  values: () => Values,
  options: WriteOptions,
): Promise<Ensured> {
  const there = await readSecret(kube, name);
  if (there) return { result: 'kept', secret: there };
  const stringData = values();
  const labels = { 'app.kubernetes.io/name': name, 'app.kubernetes.io/part-of': 'seckill' };
  const metadata = { name, labels };
  try {
    const secret = { ...kinds.secret, metadata, type: 'Opaque', stringData } as KubeObject;
    await kube.create(secret, options);
    return { result: 'made', secret: new Map(Object.entries(stringData)) };
  } catch (error) {
    if (!(error instanceof KubeError)) throw error;
    // A dry run does not make the namespace first.
    const isEarly = options.dryRun === true && error.code === 404;
    if (isEarly) return { result: 'made', secret: new Map(Object.entries(stringData)) };
    if (error.reason !== 'AlreadyExists') throw error;
    // Somebody was quicker: his values are the ones.
    return { result: 'kept', secret: (await readSecret(kube, name)) ?? new Map() };
  }
}

/** Its values by key; undefined where it is not there. */
export async function readSecret(
  kube: Kube,
  name: string,
): Promise<ReadonlyMap<string, string> | undefined> {
  const secret = await kube.get<StoredSecret>({ ...kinds.secret, name });
  if (secret === undefined) return undefined;
  return new Map(
    Object.entries(secret.data ?? {}).map(([key, value]) => [
      key,
      Buffer.from(value, 'base64').toString(),
    ]),
  );
}

function valuesOf(names: readonly string[], make: () => string): Values {
  return Object.fromEntries(names.map((name) => [name, make()]));
}

/** For HMAC: 256 bits. */
const newKey = () => randomBytes(32).toString('base64url');

/** Nothing in it needs escaping, in URLs, in SQL or in a shell. */
function newPassword(): string {
  return Array.from({ length: passwordLength }, () =>
    passwordCharacters.charAt(randomInt(passwordCharacters.length)),
  ).join('');
}

/** Those without which a function does not start: not there, or without a key that it needs. */
export function unfitOf(secrets: readonly SecretResult[]): SecretResult[] {
  return secrets.filter(({ name, result, lacks }) => {
    if (result === 'missing') return true;
    // A store that has a user fewer still serves the others; and with an issuer of its own nobody
    // signs tokens here.
    return !(name in storeUsers) && lacks.some((key) => key !== 'SECKILL_JWT_KEY');
  });
}

/** What is to be done about the Secrets, a line each; none where all is well. */
export function remarksOn(secrets: readonly SecretResult[], namespace: string): string[] {
  return secrets.flatMap(({ name, result, lacks, differs }) => {
    const literals = lacks.map((key) => ` --from-literal=${key}=…`).join('');
    if (result === 'missing') {
      return [
        `the Secret ${name} is not there: ` +
          `\`kubectl -n ${namespace} create secret generic ${name}${literals}\``,
      ];
    }
    return [
      ...(lacks.length === 0 ? [] : [`the Secret ${name} lacks ${lacks.join(', ')}: add them`]),
      ...(differs
        ? [
            `the Secret ${name} names other passwords or addresses than those of the stores: ` +
              'delete it and run this again, unless that is meant',
          ]
        : []),
    ];
  });
}
