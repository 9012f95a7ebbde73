/** Parameters of a run, as papermill defines them: a cell tagged `parameters` holds defaults, ours is put after it. */
import { declaredNames } from '../server/syntax.ts';
import { loadTypeScript } from '../server/typescript.ts';
import { type Cell, cellText, codeCell, hasTag, type Notebook } from './document.ts';

export type ParameterValue = string | number | boolean | null;

/** `key=value` as typed on a command line: JSON where it is JSON, text otherwise. */
export function parseParameter(text: string): [string, ParameterValue] {
  const at = text.indexOf('=');
  const name = text.slice(0, Math.max(0, at));
  if (!/^[A-Za-z_$][\w$]*$/.test(name)) {
    throw new Error(`--param is "${text}"; wanted NAME=VALUE with a TypeScript variable's name`);
  }
  const value = text.slice(at + 1);
  try {
    const parsed = JSON.parse(value) as unknown;
    if (parsed === null || ['string', 'number', 'boolean'].includes(typeof parsed))
      return [name, parsed as ParameterValue];
  } catch {
    // Not JSON: the text itself is the value.
  }
  return [name, value];
}

/**
 * The notebook with a cell that assigns the parameters behind the one tagged `parameters`. Throws where no cell has the
 * tag, or where a name is not one that it declares: a parameter without effect is a run that nobody asked for.
 */
export function injectParameters(notebook: Notebook, parameters: Record<string, ParameterValue>): Notebook {
  const names = Object.keys(parameters);
  if (names.length === 0) return notebook;
  refuseUnknown(notebook, names);
  const lines = names.map((name) => `var ${name} = ${JSON.stringify(parameters[name])};`);
  const injected = codeCell(lines.join('\n'), { tags: ['injected-parameters'] });
  const cells: Cell[] = notebook.cells.filter((cell) => !hasTag(cell, 'injected-parameters'));
  cells.splice(cells.findIndex((cell) => hasTag(cell, 'parameters')) + 1, 0, injected);
  return { ...notebook, cells };
}

function refuseUnknown(notebook: Notebook, names: readonly string[]): void {
  const cell = notebook.cells.find((one) => hasTag(one, 'parameters'));
  if (!cell) {
    const fix = 'tag the cell that declares it, or leave --param out';
    throw new Error(`--param ${names[0]}: wanted a cell tagged "parameters", and the notebook has none: ${fix}`);
  }
  const declared = declaredNames(loadTypeScript(), cellText(cell));
  const unknown = names.find((name) => !declared.includes(name));
  if (unknown === undefined) return;
  throw new Error(
    `--param ${unknown}: wanted a name of the cell tagged "parameters": ${declared.join(', ') || 'it has none'}`,
  );
}
