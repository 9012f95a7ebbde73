/** Entry of the kernel process: user code runs in this thread, the protocol in a worker. */
import { existsSync, readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { ToServer } from './bridge.ts';
import { packageRoot } from './package-root.ts';
import type { Prelude } from './server/language.ts';
import type { ServerThreadData } from './server/thread.ts';
import { bindNotebook } from './user/bound.ts';
import type { BuiltIns } from './user/built-ins.ts';
import { installModuleFallback } from './user/modules.ts';
import { notebookFunctions } from './user/notebook.ts';
import { UserSession } from './user/session.ts';

/** Namespaces of the library that every notebook has without an import. */
const NAMESPACES = ['engine', 'model', 'sampler', 'reward', 'train', 'evaluate', 'show', 'dataset', 'study', 'tf'];

const here = dirname(fileURLToPath(import.meta.url));
const root = packageRoot(here);
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string; version: string };
const library = join(root, 'dist', 'src', 'index.js');

main(process.argv[2]);

function main(connectionFile: string | undefined): void {
  if (!connectionFile) {
    process.stderr.write(
      'usage: node main.js CONNECTION_FILE (Jupyter passes it; install with: reward-forcing kernel install)\n',
    );
    process.exit(2);
  }
  installModuleFallback(manifest.name, library);
  const location = { name: manifest.name, root, types: library.replace(/\.js$/, '.d.ts') };
  const isInCell = new Int32Array(new SharedArrayBuffer(4));
  const { version } = manifest;
  const workerData: ServerThreadData = { connectionFile, version, location, prelude: prelude(), isInCell };
  const server = new Worker(join(here, 'server', 'thread.js'), { workerData, stdout: true, stderr: true });
  forwardLogs(server);
  const session = new UserSession((message: ToServer) => server.postMessage(message), builtIns(), isInCell);
  bindNotebook(session);
  session.install();
  server.on('message', (message) => session.receive(message));
  server.on('error', (error) => fail(`the server thread failed: ${error.stack}`));
  server.on('exit', (code) => process.exit(code));
}

/** Imports that give the built-in names their types. */
function prelude(): Prelude {
  return {
    notebook: { from: join(here, 'user', 'notebook.js'), names: Object.keys(notebookFunctions) },
    library: { from: library, names: existsSync(library) ? NAMESPACES : [] },
  };
}

/** The built-in names' values. The library is loaded when a cell first reads one of its namespaces. */
function builtIns(): BuiltIns {
  const require = createRequire(import.meta.url);
  const namespace = (name: string) => (): unknown => (require(library) as Record<string, unknown>)[name];
  return {
    ...Object.fromEntries(Object.entries(notebookFunctions).map(([name, value]) => [name, () => value])),
    ...Object.fromEntries(NAMESPACES.map((name) => [name, namespace(name)])),
  };
}

/** The server thread's own log goes to the process's log, not into the notebook. */
function forwardLogs(server: Worker): void {
  const log = process.stderr.write.bind(process.stderr);
  server.stderr.on('data', (chunk: Buffer) => log(chunk));
  server.stdout.on('data', (chunk: Buffer) => log(chunk));
}

/** Past `session.install` process.stderr belongs to the notebook: the log is file descriptor 2. */
function fail(message: string): never {
  writeSync(2, `${message}\n`);
  process.exit(1);
}
