// What the headers of HTTP can carry, and how an attribute goes that they cannot. Pure.

/** Whether a header can be this. With anything else, undici throws and loses the connection. */
export function isHeaderValue(text: string): boolean {
  return !/[^\t\x20-\x7e\x80-\xff]/.test(text);
}

/**
 * An attribute as its header carries it: as it is, like the dispatcher's, unless it would not
 * arrive so; then percent-encoded (CloudEvents HTTP binding, 3.1.3.2), which sinks decode.
 */
export function attributeHeaderOf(text: string): string {
  // A receiver takes blanks at either end away.
  if (/^[\x20-\x7e]*$/.test(text) && text === text.trim()) return text;
  return Array.from(Buffer.from(text), (byte) => {
    const character = String.fromCharCode(byte);
    if (/[\x21-\x7e]/.test(character) && !/["%]/.test(character)) return character;
    return `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }).join('');
}
