// What the API server refuses, as one line that says what to do about it.

import { CliError, exits } from '../exit.ts';
import { printable } from '../table.ts';

/** What was asked of the API server, in its own words. */
export interface Asked {
  /** A verb of the API: get, list, create, patch, delete. */
  readonly verb: string;
  /** As `kubectl auth can-i` takes it, like `revisions.serving.knative.dev`. */
  readonly resource: string;
  /** Undefined for what belongs to the cluster as a whole. */
  readonly namespace?: string | undefined;
}

/**
 * The API server could not be asked, or refused. `code` is its HTTP status, 0 where there was no
 * answer; `reason` is the stable word of its answer, like `Forbidden`, `Conflict`, `Invalid`;
 * `Unreachable` where there was none, and `NoKind` where the cluster does not serve that kind.
 */
export class KubeError extends CliError {
  override readonly name = 'KubeError';
  readonly code: number;
  readonly reason: string;

  constructor(message: string, code: number, reason: string) {
    const outcome = `kube_${reason.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase()}`;
    super(message, exits.failed, { outcome, members: { status: code, reason } });
    this.code = code;
    this.reason = reason;
  }
}

/** The API server or a webhook is busy or starting, or the kind was defined a moment ago. */
export function mayPass({ code, reason }: KubeError): boolean {
  return code === 0 || code === 429 || code >= 500 || reason === 'Conflict' || reason === 'NoKind';
}

/** The error of an answer that is no success. */
export function errorOfAnswer(code: number, body: string, asked: Asked, user: string): KubeError {
  const { reason, message } = statusOf(code, body);
  if (code === 403) return new KubeError(withoutRight(asked, message, user), code, 'Forbidden');
  if (code === 401) {
    const text =
      `the API server does not accept the credentials of ${user}: they may have expired. ` +
      'Log in to the cluster again, or name another context with --context';
    return new KubeError(text, code, 'Unauthorized');
  }
  return new KubeError(`the API server refused: ${printable(message)}`, code, reason);
}

/** Which right is missing, and how to find out who lacks it. */
function withoutRight(asked: Asked, message: string, user: string): string {
  // An admission webhook or a quota says 403, too: then its own words are what is wrong.
  if (!/\bcannot \w+ resource\b/.test(message)) {
    return `the API server refused: ${printable(message)}`;
  }
  const { verb, resource, namespace } = asked;
  const where = namespace === undefined ? 'in the cluster' : `in the namespace ${namespace}`;
  const option = namespace === undefined ? '' : ` -n ${namespace}`;
  return (
    `${user} may not ${verb} ${resource} ${where}. Whoever runs the cluster can grant it; ` +
    `check it with \`kubectl auth can-i ${verb} ${resource}${option}\``
  );
}

function statusOf(code: number, body: string): { reason: string; message: string } {
  try {
    const { kind, reason, message } = JSON.parse(body) as Record<string, unknown>;
    if (kind === 'Status') {
      return {
        reason: typeof reason === 'string' && reason !== '' ? reason : String(code),
        message: typeof message === 'string' ? message : `it answered ${code}`,
      };
    }
  } catch {
    // Not in the words of Kubernetes: perhaps a proxy's.
  }
  const text = body.trim().slice(0, 300);
  return { reason: String(code), message: `it answered ${code}${text === '' ? '' : `: ${text}`}` };
}
