// The order matters: the environment is set before the tests are declared.
import './environment.mjs';
import '@tensorflow/tfjs-core/dist/tests';
