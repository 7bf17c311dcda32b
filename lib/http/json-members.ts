// The members of a JSON object as the text they are, for who must not read a value and write it
// again: a signature is over bytes.

/**
 * Each member's name and its value's text, without the blanks around it. Undefined where the text
 * is no JSON object, or has a name twice, which readers would understand differently.
 */
export function jsonMembersOf(text: string): ReadonlyMap<string, string> | undefined {
  if (!isJsonObject(text)) return undefined;
  const members = new Map<string, string>();
  let at = text.indexOf('{') + 1;
  // Outside of names and values there is no quote.
  for (let nameAt = text.indexOf('"', at); nameAt !== -1; nameAt = text.indexOf('"', at)) {
    const nameEnd = endOfString(text, nameAt);
    const name = JSON.parse(text.slice(nameAt, nameEnd)) as string;
    if (members.has(name)) return undefined;
    const valueAt = text.indexOf(':', nameEnd) + 1;
    at = endOfValue(text, valueAt);
    members.set(name, text.slice(valueAt, at).trim());
  }
  return members;
}

function isJsonObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** Where the string ends that begins at `at`, in valid JSON. */
function endOfString(text: string, at: number): number {
  let index = at + 1;
  while (text[index] !== '"') index += text[index] === '\\' ? 2 : 1;
  return index + 1;
}

/** Where the member's value ends that begins at `at`: at a comma, or at the object's end. */
function endOfValue(text: string, at: number): number {
  let depth = 0;
  let index = at;
  for (;;) {
    const character = text[index] ?? '';
    if (character === '"') {
      index = endOfString(text, index);
      continue;
    }
    if (depth === 0 && ',}'.includes(character)) return index;
    if ('{['.includes(character)) depth += 1;
    else if ('}]'.includes(character)) depth -= 1;
    index += 1;
  }
}
