import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import type { Dimension } from './dimensions.ts';
import { importVBenchResults, type VBenchResults } from './results.ts';

/** A run of VBench's own command line. */
export interface VBenchRun {
  /** Folder of videos under VBench's names (`exportForVBench` writes one). */
  readonly videos: string;
  readonly dimensions: readonly Dimension[];
  /** Where VBench writes its results. */
  readonly output: string;
  /** The program (default `vbench`, found in PATH), and words before its own. */
  readonly command?: readonly [string, ...string[]];
  /** `vbench_standard` (default) wants VBench's own prompts, `custom_input` takes the prompts from the names. */
  readonly mode?: 'vbench_standard' | 'custom_input';
  readonly signal?: AbortSignal;
  /** Hears what the program prints. */
  readonly onOutput?: (text: string) => void;
}

/** Dimensions that VBench itself refuses for prompts of one's own: they need what its list says about each prompt. */
const needsList: ReadonlySet<Dimension> = new Set<Dimension>([
  'object_class',
  'multiple_objects',
  'scene',
  'appearance_style',
  'color',
  'spatial_relationship',
]);

/**
 * Runs `vbench evaluate` and reads its results. VBench needs an NVIDIA GPU and downloads its weights itself.
 *
 * @throws Error if the program is not installed or fails, for paths that its shell would misread, and for dimensions that
 * it refuses in `custom_input`.
 */
export async function runVBench(run: VBenchRun): Promise<VBenchResults> {
  const { videos, dimensions, output, mode = 'vbench_standard', command: [program, ...words] = ['vbench'] } = run;
  if (dimensions.length === 0) throw new RangeError('dimensions is empty; want at least one');
  const refused = dimensions.filter((dimension) => needsList.has(dimension));
  if (mode === 'custom_input' && refused.length > 0) {
    throw new Error(`VBench does not take ${refused.join(', ')} for other prompts than its own; leave them out`);
  }
  for (const path of [videos, output]) checkPath(path);
  await mkdir(output, { recursive: true });
  // the wrapper takes one string of names and hands it on to a shell
  const flags = ['--videos_path', videos, '--dimension', dimensions.join(' '), '--mode', mode, '--output_path', output];
  await start(program, [...words, 'evaluate', ...flags], run);
  return importVBenchResults(output);
}

/** VBench puts paths into a shell's line between double quotes. */
function checkPath(path: string): void {
  if (!/["$`\\!\n]/.test(path)) return;
  throw new Error(`VBench hands "${path}" to a shell, which would misread it; use a path without " $ \` \\ !`);
}

function start(program: string, args: readonly string[], { signal, onOutput = () => {} }: VBenchRun): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...(signal && { signal }) });
    let tail = '';
    const hear = (chunk: Buffer): void => {
      tail = (tail + chunk.toString()).slice(-2000);
      onOutput(chunk.toString());
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.on('error', (error: NodeJS.ErrnoException) => {
      const hint = `${program} is not installed: "pip install vbench" in a Python with CUDA, or give its path`;
      reject(error.code === 'ENOENT' ? new Error(hint, { cause: error }) : error);
    });
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with code ${code}: ${tail.trim().split('\n').slice(-3).join(' / ')}`));
    });
  });
}
