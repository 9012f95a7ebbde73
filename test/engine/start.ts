/** Computes 1 + 2 on the onnx engine in a process of its own. */
import * as engine from '../../src/engine/index.ts';
import { tf } from '../../src/engine/tf.ts';

await engine.use('onnx');
process.stdout.write(`${tf.add(1, 2).dataSync()[0]}\n`);
