// The few helpers that stand in for a framework. Text only ever becomes text, never markup.

type Child = Node | string;
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** An element with attributes (`true`: present, `false` or undefined: absent) and children. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/** The same for SVG. */
export function svg<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): SVGElementTagNameMap[Tag] {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) element.removeAttribute(name);
    else {
      const text = value === true ? '' : String(value);
      if (element.getAttribute(name) !== text) element.setAttribute(name, text);
    }
  }
}

/** Only touches the page when the text differs: screen readers hear every change of a region. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Replaces the children unless they are these already. */
export function setChildren(element: Element, ...children: Node[]): void {
  const isSame =
    element.childNodes.length === children.length &&
    children.every((child, index) => element.childNodes[index] === child);
  if (!isSame) element.replaceChildren(...children);
}

const icons = {
  check: 'M4 10.5l4 4L16 6',
  wait: 'M10 5v5l3.5 2M18 10a8 8 0 11-16 0 8 8 0 0116 0z',
  alert: 'M10 6v5M10 14v.01M18 10a8 8 0 11-16 0 8 8 0 0116 0z',
  user: 'M10 10a3.5 3.5 0 100-7 3.5 3.5 0 000 7zM3.5 17.5c.6-3.4 3.2-5 6.5-5s5.9 1.6 6.5 5',
  minus: 'M5 10h10',
  plus: 'M10 5v10M5 10h10',
  arrow: 'M8 5l5 5-5 5',
  back: 'M12 5l-5 5 5 5',
} as const;

/** A decorative line icon, 20 × 20. */
export function icon(name: keyof typeof icons): SVGElement {
  return svg(
    'svg',
    { viewBox: '0 0 20 20', class: 'icon', 'aria-hidden': 'true', focusable: 'false' },
    svg('path', { d: icons[name] }),
  );
}
