// What may carry tokens and codes.

/** Whether nobody on the way can read along: TLS, or a server on this same machine. */
export function isSecureUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url?.protocol === 'https:') return true;
  return url?.protocol === 'http:' && /^(localhost|\[::1\]|127(\.\d+){3})$/.test(url.hostname);
}
