/** Pieces of an SVG as text. */

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

export const escaped = (text: string): string =>
  text.replace(/\p{Cc}/gu, ' ').replace(/[&<>"]/g, (one) => ESCAPES[one]);

const figure = (value: number): string => `${Math.round(value * 10) / 10}`;

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const text = (x: number, y: number, style: string, content: string): string =>
  `<text class="${style}" x="${figure(x)}" y="${figure(y)}">${escaped(content)}</text>`;

export const rect = ({ x, y, width, height }: Box, style: string, radius = 7): string =>
  `<rect class="${style}" x="${figure(x)}" y="${figure(y)}" width="${figure(width)}" height="${figure(height)}" rx="${radius}"/>`;

export const circle = (x: number, y: number, radius: number, style: string): string =>
  `<circle class="${style}" cx="${figure(x)}" cy="${figure(y)}" r="${radius}"/>`;

/** A line through some points, with an arrowhead at its end. */
export const arrow = (points: readonly (readonly [number, number])[], style = 'way'): string =>
  `<polyline class="${style}" points="${points.map(([x, y]) => `${figure(x)},${figure(y)}`).join(' ')}" marker-end="url(#head)"/>`;

/** A sign that does not depend on colour: a cross for failure, a tick for success, each in a disc. */
export const sign = (x: number, y: number, good: boolean): string => {
  const path = good ? 'm-5 0 l3.5 4 l6.5 -8' : 'm-4.5 -4.5 l9 9 m0 -9 l-9 9';
  return `${circle(x, y, 11, good ? 'disc good' : 'disc bad')}<path class="sign" d="M${figure(x)} ${figure(y)}${path}"/>`;
};

/** Lines of at most `most` letters, broken between words. */
export const wrapped = (line: string, most: number): readonly string[] => {
  const lines = [''];
  for (const word of line.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== '' && last.length + 1 + word.length > most) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
};
