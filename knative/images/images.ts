// How the images are built with whatever engine a machine has: one command per image, with the
// same arguments for the same commit.

import { functionNames } from '../local/build.ts';

/** What a release consists of. */
export const imageNames = [...functionNames, 'kn-seckill'] as const;
/** For clusters without KafkaSource; for operators whom DingTalk calls. */
export const moreImageNames = ['source-runner', 'dingtalk-relay'] as const;
export type ImageName = (typeof imageNames)[number] | (typeof moreImageNames)[number];

/** In the order in which they are tried. */
export const engines = ['docker', 'podman', 'buildah'] as const;
export type Engine = (typeof engines)[number];

export interface Release {
  readonly registry: string;
  readonly version: string;
  /** The commit; with `-dirty` where the working tree differs from it. */
  readonly revision: string;
  /** When the commit was made; seconds since 1970. It is the time of all files, too. */
  readonly committedAtSeconds: number;
  /** `NAME=value`, for instance `BASE_IMAGE=registry.example/node:24`. */
  readonly buildArgs: readonly string[];
}

export function tagOf({ registry, version }: Release, name: ImageName): string {
  return `${registry}/${name}:${version}`;
}

/** The command that builds an image in the repository's root. */
export function buildCommand(engine: Engine, name: ImageName, release: Release): string[] {
  const { version, revision, committedAtSeconds, buildArgs } = release;
  const args = [
    `NAME=${name}`,
    `VERSION=${version}`,
    `REVISION=${revision}`,
    `SOURCE_DATE_EPOCH=${committedAtSeconds}`,
    ...buildArgs,
  ];
  // BuildKit takes the time from the argument; the others want to be told, and to keep layers.
  const own = engine === 'docker' ? [] : ['--layers', `--timestamp=${committedAtSeconds}`];
  return [
    ...[engine, 'build', '--file', 'knative/images/Containerfile', ...own],
    ...args.flatMap((arg) => ['--build-arg', arg]),
    ...['--tag', tagOf(release, name), '.'],
  ];
}
