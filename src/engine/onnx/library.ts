/** Where the ONNX Runtime library is. Nothing is loaded here. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const files: Partial<Record<NodeJS.Platform, readonly [runtime: string, c: string]>> = {
  linux: ['libonnxruntime.so.1', 'libc.so.6'],
  darwin: ['libonnxruntime.1.dylib', 'libSystem.B.dylib'],
  win32: ['onnxruntime.dll', 'ucrtbase.dll'],
};

/** The command that installs the library. */
export const installCommand = 'npm install onnxruntime-node@1.30';

/** Paths of ONNX Runtime and of the system's C library. Throws with the command that installs what is missing. */
export function findRuntime(): { readonly runtime: string; readonly c: string } {
  const names = files[process.platform];
  if (!names) throw new Error(`engine onnx: no ONNX Runtime for ${process.platform}. Use engine.use('cpu')`);
  const runtime = join(packageFolder(), 'bin/napi-v6', process.platform, process.arch, names[0]);
  if (existsSync(runtime)) return { runtime, c: names[1] };
  throw new Error(
    `engine onnx: onnxruntime-node has no library for ${process.platform} ${process.arch} (${runtime} is missing). ` +
      `Run: ${installCommand}, or use engine.use('cpu')`,
  );
}

function packageFolder(): string {
  const require = createRequire(import.meta.url);
  try {
    return dirname(require.resolve('onnxruntime-node/package.json'));
  } catch (cause) {
    throw new Error(`engine onnx: the package onnxruntime-node is missing. Run: ${installCommand}`, { cause });
  }
}
