// What the suite needs before its first file is read: all operations and gradients, and one environment to test.
import '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops';
import '@tensorflow/tfjs-core/dist/register_all_gradients';
import { setTestEnvs } from '@tensorflow/tfjs-core/dist/jasmine_util';

const backendName = globalThis.conformanceBackend;
setTestEnvs([{ name: backendName, backendName, flags: {}, isDataSync: true }]);
