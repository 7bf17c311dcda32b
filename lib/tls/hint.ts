// What to do about a store that refuses us, or that we refuse: the words of TLS libraries and of
// four stores, in one place.

const hints: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/certificate has expired/i, "the server's certificate has expired: renew it on the server"],
  [
    /certificate is not yet valid/i,
    "the server's certificate is not valid yet: compare the clocks",
  ],
  [
    /self[- ]signed certificate|unable to (verify the first|get (local )?issuer) certificate/i,
    "the server's certificate was signed by nobody in …_CA_FILE: mount the authority that signed it",
  ],
  [
    /altnames|does not match certificate/i,
    "the server's certificate is for another name: use that name in the address",
  ],
  [
    /alert (certificate required|handshake failure|bad certificate)|certificate required/i,
    'the server wants a certificate of ours: set …_CERT_FILE and …_KEY_FILE',
  ],
  [
    /alert (unknown ca|certificate expired|certificate unknown)/i,
    'the server does not accept our certificate: renew the one in …_CERT_FILE',
  ],
  [
    /wrong version number|packet length too long|not support secure|before secure TLS connection/i,
    'the server does not speak TLS at this port, or does not want to with us',
  ],
  [
    /WRONGPASS|access denied for user|SASL .*authentication failed|invalid user ID or password/i,
    'user or password is wrong: compare the Secret with what the store knows',
  ],
  [
    /NOAUTH|user name is empty/,
    'the store wants a user and a password: both belong into the Secret',
  ],
  [
    /NOPERM|command denied|permission denied|not authorized/i,
    'the user lacks a right: compare with the grants of this release (knative/stores)',
  ],
];

/** Undefined where it is none of these faults; causes of the error count as well. */
export function hintOf(error: unknown): string | undefined {
  for (let one = error; one instanceof Error; one = one.cause) {
    const { message } = one;
    const found = hints.find(([pattern]) => pattern.test(message));
    if (found) return found[1];
  }
  return undefined;
}
