/** Registers kernel definitions with TensorFlow.js: tensors become values on the way in and handles on the way out. */
import { tf } from '../tf.ts';
import type { OnnxBackend, TensorHandle } from './backend.ts';
import { GraphBuilder } from './builder.ts';
import type { KernelBody, KernelDefinition } from './define.ts';
import { fusedKernels } from './fused/index.ts';
import { kernels } from './kernels/index.ts';
import { captureSite } from './site.ts';
import type { Value } from './value.ts';

/** Name of the backend in TensorFlow.js. */
export const backendName = 'onnx';

type Handles = Record<string, TensorHandle | undefined> | TensorHandle[];

function toValues(backend: OnnxBackend, inputs: Handles): unknown {
  if (Array.isArray(inputs)) return inputs.map((tensor) => backend.valueFor(tensor));
  const values: Record<string, Value> = {};
  for (const name in inputs) {
    const tensor = inputs[name];
    if (tensor) values[name] = backend.valueFor(tensor);
  }
  return values;
}

function kernelFunction(backend: OnnxBackend, g: GraphBuilder, definition: KernelDefinition) {
  const { recorder } = backend;
  const { name, dataDependent } = definition;
  const body: KernelBody<unknown, unknown> = definition.body;
  return (call: { inputs: unknown; attrs?: unknown }): TensorHandle | TensorHandle[] => {
    const inputs = toValues(backend, call.inputs as Handles);
    recorder.kernel = name;
    recorder.site = dataDependent ? captureSite() : null;
    const result = body({ inputs, attrs: call.attrs ?? {} }, g);
    const handles = Array.isArray(result) ? result.map((value) => backend.handle(value)) : backend.handle(result);
    recorder.limit();
    return handles;
  };
}

/** Registers every kernel of the engine for this backend. */
export function registerKernels(backend: OnnxBackend): void {
  const g = new GraphBuilder(backend.recorder);
  for (const definition of [...kernels, ...fusedKernels]) {
    const kernelFunc = kernelFunction(backend, g, definition);
    tf.registerKernel({ kernelName: definition.name, backendName, kernelFunc: kernelFunc as never });
  }
}
