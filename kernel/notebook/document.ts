/** Notebook files (nbformat 4.5). Source: nbformat's JSON schema, version 4.5. */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Json, Message } from '../protocol/wire.ts';

export interface Output {
  output_type: 'stream' | 'display_data' | 'execute_result' | 'error';
  [key: string]: unknown;
}

export interface Cell {
  id?: string;
  cell_type: 'code' | 'markdown' | 'raw';
  source: string | string[];
  metadata: Json;
  outputs?: Output[];
  execution_count?: number | null;
}

export interface Notebook {
  nbformat: number;
  nbformat_minor: number;
  metadata: Json;
  cells: Cell[];
}

/** Reads a notebook. Throws with what is wrong when the file is none. */
export function readNotebook(path: string): Notebook {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`cannot read the notebook ${path}: ${(error as Error).message}`);
  }
  const notebook = parsed as Notebook;
  if (notebook.nbformat !== 4 || !Array.isArray(notebook.cells)) {
    throw new Error(`${path} is no notebook of format 4: nbformat is ${String(notebook.nbformat)}`);
  }
  return notebook;
}

export function writeNotebookText(notebook: Notebook): string {
  return `${JSON.stringify(notebook, null, 1)}\n`;
}

export function cellText(cell: Cell): string {
  return Array.isArray(cell.source) ? cell.source.join('') : cell.source;
}

export function codeCell(source: string, metadata: Json = {}): Cell {
  return { id: randomUUID().slice(0, 8), cell_type: 'code', source, metadata, outputs: [], execution_count: null };
}

export function hasTag(cell: Cell, tag: string): boolean {
  const tags = cell.metadata['tags'];
  return Array.isArray(tags) && tags.includes(tag);
}

/** Applies one iopub message to a cell's outputs, as a notebook front end does. */
export class OutputArea {
  readonly outputs: Output[] = [];
  readonly #displays: Map<string, Output[]>;
  #clearsNext = false;

  /** `displays` is shared by all cells of a run: an update may come from a later cell. */
  constructor(displays: Map<string, Output[]>) {
    this.#displays = displays;
  }

  apply({ header, content }: Message): void {
    switch (header.msg_type) {
      case 'stream':
        this.#stream(String(content['name']), String(content['text']));
        break;
      case 'display_data':
      case 'execute_result':
        this.#show(header.msg_type, content);
        break;
      case 'update_display_data':
        for (const output of this.#displays.get(displayId(content) ?? '') ?? []) {
          Object.assign(output, { data: content['data'], metadata: content['metadata'] });
        }
        break;
      case 'error':
        this.#add({ output_type: 'error', ...content });
        break;
      case 'clear_output':
        if (content['wait']) this.#clearsNext = true;
        else this.outputs.length = 0;
        break;
    }
  }

  #stream(name: string, text: string): void {
    const last = this.outputs.at(-1);
    if (!this.#clearsNext && last?.output_type === 'stream' && last['name'] === name)
      last['text'] = `${last['text']}${text}`;
    else this.#add({ output_type: 'stream', name, text });
  }

  #show(type: 'display_data' | 'execute_result', content: Json): void {
    const { transient: _, ...shown } = content;
    const output: Output = { output_type: type, metadata: {}, ...shown };
    this.#add(output);
    const id = displayId(content);
    if (id !== null) this.#displays.set(id, [...(this.#displays.get(id) ?? []), output]);
  }

  #add(output: Output): void {
    if (this.#clearsNext) this.outputs.length = 0;
    this.#clearsNext = false;
    this.outputs.push(output);
  }
}

function displayId(content: Json): string | null {
  const id = (content['transient'] as Json | undefined)?.['display_id'];
  return typeof id === 'string' ? id : null;
}
