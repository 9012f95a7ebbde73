/** The JSON files of a zip, as VBench's leaderboard takes it; nothing is unpacked to the disk. */
import { readFile, stat } from 'node:fs/promises';
import { type UnzipFileInfo, unzipSync } from 'fflate';

/** Results of 946 prompts with five videos each have about 20 MB. */
const LIMIT = { bytes: 2 ** 27, files: 4096 };

/**
 * Names and texts of the JSON files in a zip, in the order of their names; folders and hidden files (`.DS_Store`,
 * `__MACOSX/`) are left out.
 *
 * @throws Error naming the zip, if it is cut short or broken, holds names that lead out of it or are there twice, or
 * would unpack to more than 128 MiB.
 */
export async function zippedTexts(path: string): Promise<[string, string][]> {
  const { size } = await stat(path);
  if (size > LIMIT.bytes) throw new Error(`${path} has ${size} bytes; wanted a zip of at most ${LIMIT.bytes}`);
  try {
    const files = unzipSync(await readFile(path), { filter: checked() });
    return Object.entries(files)
      .map(([name, bytes]): [string, string] => [name, decoded(bytes)])
      .sort(byName);
  } catch (cause) {
    const why = (cause as Error).message;
    throw new Error(`${path} cannot be read as a zip of VBench's results: ${why}`, { cause });
  }
}

/** Passes JSON files on; throws on the first entry that an honest zip does not have. */
function checked(): (entry: UnzipFileInfo) => boolean {
  const names = new Set<string>();
  let bytes = 0;
  return ({ name, originalSize }) => {
    if (leadsOut(name)) throw new Error(`"${name}" leads out of it`);
    if (names.has(name)) throw new Error(`"${name}" is there twice`);
    names.add(name);
    bytes += originalSize;
    if (names.size > LIMIT.files) throw new Error(`it has more than ${LIMIT.files} files`);
    if (!(bytes <= LIMIT.bytes)) throw new Error(`it would unpack to more than ${LIMIT.bytes} bytes`);
    return name.endsWith('.json') && !name.split('/').some((part) => /^(\.|__)/.test(part));
  };
}

function leadsOut(name: string): boolean {
  return /^(\/|[A-Za-z]:)|\\|\0/.test(name) || name.split('/').includes('..');
}

function decoded(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
}

function byName([a]: [string, string], [b]: [string, string]): number {
  return a < b ? -1 : 1;
}
