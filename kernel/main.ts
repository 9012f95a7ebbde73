/** Entry of the kernel process: user code runs in this thread, the protocol in a worker. */
import { existsSync, readFileSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { createCellState, type ToUser } from './bridge.ts';
import { NAMESPACES, NOTEBOOK_NAMES } from './built-in-names.ts';
import { packageRoot } from './install.ts';
import type { Imports } from './server/language.ts';
import type { ServerThreadData } from './server/thread.ts';
import { endProcess } from './user/exit.ts';

/**
 * The compiler's heap, four times what the library's types take. Below 2 GB V8 collects garbage when the heap has grown
 * by half, where it would wait for four times the size: the kernel's memory stays flat over a long notebook.
 */
const SERVER_HEAP_MB = 1024;
/** Twice Node's: what one cell's compilation leaves behind is then collected once, not several times. */
const YOUNG_HEAP_MB = 96;

const here = dirname(fileURLToPath(import.meta.url));
const root = packageRoot(here);
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string; version: string };
const library = join(root, 'dist', 'src', 'index.js');

main(process.argv[2]);

/** The server thread starts first: the compiler takes it longer to load than all else takes this thread. */
function main(connectionFile: string | undefined): void {
  if (!connectionFile) {
    process.stderr.write(
      'usage: node main.js CONNECTION_FILE (Jupyter passes it; install with: reward-forcing kernel install)\n',
    );
    process.exit(2);
  }
  const cellState = createCellState();
  const server = startServer(connectionFile, cellState);
  const session = import('./user/start.ts').then(({ startSession }) =>
    startSession({
      post: (message) => server.postMessage(message),
      cellState,
      library: { name: manifest.name, entry: library },
    }),
  );
  const early: ToUser[] = [];
  let receive = (message: ToUser): void => void early.push(message);
  server.on('message', (message: ToUser) => receive(message));
  void session.then((ready) => {
    receive = (message) => ready.receive(message);
    early.forEach(receive);
  });
}

function startServer(connectionFile: string, cellState: Int32Array): Worker {
  const { name, version } = manifest;
  const location = { name, root, types: library.replace(/\.js$/, '.d.ts') };
  const workerData: ServerThreadData = { connectionFile, version, location, builtIns: builtIns(), cellState };
  const server = new Worker(join(here, 'server', 'thread.js'), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: SERVER_HEAP_MB, maxYoungGenerationSizeMb: YOUNG_HEAP_MB },
    stdout: true,
    stderr: true,
  });
  forwardLogs(server);
  server.on('error', (error) => fail(`the server thread failed: ${error.stack}`));
  server.on('exit', endProcess);
  return server;
}

/**
 * Where the built-in names' types come from. `tf` is TensorFlow.js as a module: what the library exports under that name
 * is a value alone, and cells also write `tf.Tensor` as a type.
 */
function builtIns(): Imports[] {
  const notebook: Imports = { from: join(here, 'user', 'notebook.js'), names: NOTEBOOK_NAMES, kind: 'function' };
  if (!existsSync(library)) return [notebook];
  const tensors = dirname(createRequire(library).resolve('@tensorflow/tfjs/package.json'));
  return [
    { from: library, names: NAMESPACES.filter((name) => name !== 'tf'), kind: 'module' },
    { from: tensors, names: ['tf'], kind: 'module', isWhole: true },
    notebook,
  ];
}

/** The server thread's own log goes to the process's log, not into the notebook, which has process.stderr soon. */
function forwardLogs(server: Worker): void {
  const log = process.stderr.write.bind(process.stderr);
  server.stderr.on('data', (chunk: Buffer) => log(chunk));
  server.stdout.on('data', (chunk: Buffer) => log(chunk));
}

/** process.stderr belongs to the notebook: the log is file descriptor 2. */
function fail(message: string): never {
  writeSync(2, `${message}\n`);
  endProcess(1);
}
