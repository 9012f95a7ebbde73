/** Registers kernel definitions with TensorFlow.js: tensors become values on the way in and handles on the way out. */
import { tf } from '../tf.ts';
import type { OnnxBackend, TensorHandle } from './backend.ts';
import { GraphBuilder } from './builder.ts';
import type { KernelDefinition } from './define.ts';
import { fusedKernels } from './fused/index.ts';
import { type Fallbacks, isHosted, type KernelFunction } from './host.ts';
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

/** Whether a call is about text or complex numbers, which the cpu backend keeps and computes. */
function isForHost(inputs: Handles, attrs: unknown): boolean {
  if (isHosted((attrs as { dtype?: unknown } | undefined)?.dtype)) return true;
  if (Array.isArray(inputs)) return inputs.some((tensor) => isHosted(tensor.dtype));
  for (const name in inputs) if (isHosted(inputs[name]?.dtype)) return true;
  return false;
}

function kernelFunction(
  backend: OnnxBackend,
  g: GraphBuilder,
  { name, body, dataDependent }: KernelDefinition,
  fallbacks: Fallbacks,
): KernelFunction {
  const { recorder } = backend;
  return ({ inputs, attrs }) => {
    if (isForHost(inputs as Handles, attrs)) return fallbacks.call(name, inputs, attrs);
    const values = toValues(backend, inputs as Handles);
    recorder.kernel = name;
    recorder.site = dataDependent ? captureSite() : null;
    const result = body({ inputs: values, attrs: attrs ?? {} }, g);
    const handles = Array.isArray(result) ? result.map((value) => backend.handle(value)) : backend.handle(result);
    recorder.limit();
    return handles;
  };
}

/** Registers every kernel of the engine for this backend, and the cpu backend's for those that it lacks. */
export function registerKernels(backend: OnnxBackend, fallbacks: Fallbacks): void {
  const g = new GraphBuilder(backend.recorder);
  const register = (kernelName: string, kernelFunc: KernelFunction): void =>
    tf.registerKernel({ kernelName, backendName, kernelFunc: kernelFunc as never });
  const native = [...kernels, ...fusedKernels];
  for (const definition of native) register(definition.name, kernelFunction(backend, g, definition, fallbacks));
  const names = new Set(native.map(({ name }) => name));
  for (const name of fallbacks.names()) {
    if (!names.has(name)) register(name, ({ inputs, attrs }) => fallbacks.call(name, inputs, attrs));
  }
}
