/** Entry of the server thread. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ToServer } from '../bridge.ts';
import { readConnectionFile } from '../protocol/channels.ts';
import type { PackageLocation } from './compiler.ts';
import type { Imports } from './language.ts';
import { endWithParent } from './parent.ts';
import { Server } from './server.ts';

/** What the user thread starts this one with. */
export interface ServerThreadData {
  connectionFile: string;
  version: string;
  location: PackageLocation;
  builtIns: readonly Imports[];
  cellState: Int32Array;
}

if (parentPort) {
  endWithParent();
  const port = parentPort;
  const { connectionFile, ...shared } = workerData as ServerThreadData;
  const connection = readConnectionFile(connectionFile);
  const server = new Server({ ...shared, connection, post: (message) => port.postMessage(message) });
  port.on('message', (message: ToServer) => server.receive(message));
  await server.start();
}
