/** How values show themselves in a notebook: the display contract of Deno's Jupyter kernel, and text for HTML. */

/** Forms of one output by MIME type; a front end shows the richest that it knows. */
export type MimeBundle = Record<string, unknown>;

/** The method by which a notebook kernel asks a value for its {@link MimeBundle}. */
export const jupyterDisplay: unique symbol = Symbol.for('Jupyter.display') as never;

/** The same object with a display of its own, which neither JSON nor a listing of its keys sees. */
export function withDisplay<T extends object>(value: T, display: (value: T) => MimeBundle): T {
  return Object.defineProperty(value, jupyterDisplay, {
    value: () => display(value),
    enumerable: false,
    configurable: true,
  });
}

/** Rows of a table as lines of text, the columns of numbers aligned to the right. */
export function alignColumns(rows: readonly (readonly string[])[], isNumber: readonly boolean[]): string[] {
  const widths = isNumber.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const pad = (cell: string, i: number): string => (isNumber[i] ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!));
  return rows.map((row) => row.map(pad).join('  ').trimEnd());
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Text for HTML and SVG, attributes included. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}
