import { readFile } from 'node:fs/promises';

/**
 * The object in a JSON file.
 *
 * @throws Error with the path if the file is no JSON (cut short, say) or holds something else than an object.
 */
export async function readJsonObject(path: string): Promise<Record<string, unknown>> {
  const value = parsed(path, await readFile(path, 'utf8'));
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new TypeError(`${path}: wanted a JSON object`);
}

function parsed(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${path} is no JSON (${(error as Error).message}); has it been copied whole?`, { cause: error });
  }
}
