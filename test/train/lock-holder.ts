/** A process that holds a run folder until it is killed: `tsx lock-holder.ts FOLDER`. It says when it has it. */
import { RunFolder } from '../../src/train/run/run-folder.ts';

await RunFolder.open(process.argv[2] as string, { config: {} });
process.stdout.write('held');
setInterval(() => undefined, 1000);
