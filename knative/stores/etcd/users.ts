// etcd's users, each with the roles of roles.json, and signing in switched on: from then on nobody
// reads or writes without a user. Passwords become what they are given as; rights that are no
// longer listed are taken away.

import { Etcd3, type IOptions, type IPermissionResult, Range } from 'etcd3';
import { z } from 'zod';
import { credentialsOf, type EtcdAccess } from '#lib/etcd/access.ts';
import { materialOf } from '#lib/tls/live-tls.ts';
import { type Patience, untilDone } from '../wait.ts';

const rightsShape = z.strictObject({
  roles: z.record(
    z.string(),
    z.array(
      z.strictObject({
        prefix: z.string().min(1),
        permission: z.enum(['Read', 'Write', 'Readwrite']),
      }),
    ),
  ),
  users: z.record(z.string(), z.array(z.string())),
});

export type Rights = z.infer<typeof rightsShape>;

/** Throws where the text is not of the shape of roles.json. */
export function readRoles(text: string): Rights {
  return rightsShape.parse(JSON.parse(text));
}

/** Resolves with what is so now, a line each. Rejects when etcd does not answer in time. */
export async function prepareUsers(
  access: EtcdAccess,
  rights: Rights,
  passwords: ReadonlyMap<string, string>,
  patience: Patience,
): Promise<string[]> {
  const rootPassword = passwordOf('root', passwords);
  return await untilDone('etcd', patience, async () => {
    const etcd = await connectAsRoot(access, rootPassword);
    try {
      return await prepare(etcd, rights, passwords);
    } finally {
      etcd.close();
    }
  });
}

/** With root's password once signing in is on; without before. */
async function connectAsRoot(access: EtcdAccess, password: string): Promise<Etcd3> {
  const options: IOptions = {
    hosts: [...access.endpoints],
    dialTimeout: 5_000,
    ...credentialsOf(materialOf(access.tls ?? {})),
  };
  const open = new Etcd3(options);
  try {
    await open.auth.userList();
    return open;
  } catch (error) {
    open.close();
    if (!/user name is empty|permission denied|invalid auth token/i.test(String(error)))
      throw error;
    return new Etcd3({ ...options, auth: { username: 'root', password } });
  }
}

async function prepare(
  etcd: Etcd3,
  { roles, users }: Rights,
  passwords: ReadonlyMap<string, string>,
): Promise<string[]> {
  const existingRoles = new Set((await etcd.getRoles()).map(({ name }) => name));
  for (const [name, permissions] of Object.entries({ root: [], ...roles })) {
    if (!existingRoles.has(name)) await etcd.role(name).create();
    if (name !== 'root') await setPermissions(etcd, name, permissions);
  }
  const existingUsers = new Set((await etcd.getUsers()).map(({ name }) => name));
  for (const [name, wanted] of Object.entries({ root: ['root'], ...users })) {
    const user = etcd.user(name);
    const password = passwordOf(name, passwords);
    await (existingUsers.has(name) ? user.setPassword(password) : user.create(password));
    const has = new Set((await user.roles()).map((role) => role.name));
    for (const role of wanted) if (!has.has(role)) await user.addRole(role);
    for (const role of has) if (!wanted.includes(role)) await user.removeRole(role);
  }
  await etcd.auth.authEnable();
  return Object.entries(users).map(([name, wanted]) => `etcd: ${name} is ${wanted.join(', ')}`);
}

/** Grants what is wanted first, so that a user in the middle of something keeps its rights. */
async function setPermissions(
  etcd: Etcd3,
  name: string,
  wanted: Rights['roles'][string],
): Promise<void> {
  const role = etcd.role(name);
  const permissions = wanted.map(({ prefix, permission }) => ({
    permission,
    range: Range.prefix(prefix),
  }));
  const has = await role.permissions();
  const isIn = (list: readonly IPermissionResult[], one: IPermissionResult) =>
    list.some(
      ({ permission, range }) => permission === one.permission && sameRange(range, one.range),
    );
  for (const permission of permissions) if (!isIn(has, permission)) await role.grant(permission);
  // One grant a range: another permission on it has been replaced by now.
  for (const { range } of has) {
    if (permissions.some((permission) => sameRange(permission.range, range))) continue;
    await role.revoke({ permission: 'Read', range });
  }
}

function sameRange(one: Range, other: Range): boolean {
  return one.start.equals(other.start) && one.end.equals(other.end);
}

function passwordOf(user: string, passwords: ReadonlyMap<string, string>): string {
  const password = passwords.get(user) ?? '';
  if (password === '') throw new Error(`there is no password for etcd's user ${user}`);
  return password;
}
