/**
 * The TensorFlow.js side of an engine that runs graphs: tensors' data ids are values of the recorder; writing, reading,
 * reference counts, and data that comes over from another backend. Text and complex numbers, which no graph has a use
 * for, stay on the cpu backend. Kernels are registered in kernel.ts.
 */
import type { DataType } from '@tensorflow/tfjs';
import { type CpuBackend, quietCpuBackend, type TensorHandle, type TensorValues } from '../fallback.ts';
import { type Recorder, sameShape, type TensorArray, type TensorType, Value } from '../graph/index.ts';
import { tf } from '../tf.ts';

export function isHosted(dtype: unknown): boolean {
  return dtype === 'string' || dtype === 'complex64';
}

export class GraphBackend extends tf.KernelBackend {
  readonly recorder: Recorder;
  readonly #host: CpuBackend = quietCpuBackend();
  #count = 0;
  /** Data that was created on another backend keeps its foreign id; here is its value. */
  readonly #adopted = new WeakMap<object, Value>();
  /** Ids of data that the cpu backend keeps. */
  readonly #hosted = new WeakSet<object>();
  /** Values whose data has moved to another backend. */
  readonly #departed = new WeakSet<Value>();

  constructor(recorder: Recorder) {
    super();
    this.recorder = recorder;
  }

  /** The dtype of a tensor that a graph can hold. Throws for any other. */
  #tensorType(dtype: DataType): TensorType {
    if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
    const { name } = this.recorder.runtime;
    throw new Error(
      `engine ${name}: dtype ${dtype} is not supported; use float32, int32 or bool, or engine.use('cpu')`,
    );
  }

  /** The value behind a tensor; data of another backend is brought over. */
  valueFor(tensor: TensorHandle): Value {
    const value = this.#resolve(tensor.dataId);
    return sameShape(value.shape, tensor.shape) ? value : this.#reshaped(value, tensor.shape);
  }

  /** Another backend may share data between tensors of several shapes. */
  #reshaped(value: Value, shape: number[]): Value {
    const { recorder } = this;
    const to = recorder.constants.intern('int64', [shape.length], shape);
    return recorder.add('Reshape', [value, to], null, shape, value.dtype);
  }

  #resolve(dataId: object): Value {
    const own = this.#own(dataId);
    if (own) return own;
    tf.engine().moveData(this, dataId);
    return this.#own(dataId)!;
  }

  #own(dataId: object): Value | undefined {
    if (dataId instanceof Value && !this.#departed.has(dataId)) return dataId;
    return this.#adopted.get(dataId);
  }

  readTensor(tensor: TensorHandle): TensorArray {
    return this.recorder.read(this.valueFor(tensor));
  }

  keepOnHost(dataId: object): void {
    this.#hosted.add(dataId);
  }

  /** A tensor for a kernel's result: one more reference to its value. */
  handle(value: Value): TensorHandle {
    if (value.refs++ === 0) this.#count++;
    return { dataId: value, shape: value.shape, dtype: value.dtype as TensorType };
  }

  override write(values: TensorValues, shape: number[], dtype: DataType): object {
    if (isHosted(dtype)) {
      const dataId = this.#host.write(values, shape, dtype);
      this.keepOnHost(dataId);
      return dataId;
    }
    const value = new Value(shape.slice(), this.#tensorType(dtype));
    this.recorder.write(value, values as ArrayLike<number>);
    this.handle(value);
    return value;
  }

  override move(dataId: object, values: TensorValues, shape: number[], dtype: DataType, refCount: number): void {
    if (isHosted(dtype)) {
      this.#host.move(dataId, values, shape, dtype, refCount);
      this.keepOnHost(dataId);
      return;
    }
    const value = new Value(shape.slice(), this.#tensorType(dtype));
    this.recorder.write(value, values as ArrayLike<number>);
    value.refs = refCount;
    this.#count++;
    this.#adopted.set(dataId, value);
  }

  override readSync(dataId: object): TensorValues {
    if (this.#hosted.has(dataId)) return this.#host.readSync(dataId);
    return this.recorder.read(this.#resolve(dataId));
  }

  override async read(dataId: object): Promise<TensorValues> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: object, force = false): boolean {
    if (this.#hosted.has(dataId)) {
      const isGone = this.#host.disposeData(dataId, force);
      if (isGone) this.#hosted.delete(dataId);
      return isGone;
    }
    const value = this.#own(dataId);
    if (!value) return true;
    value.refs--;
    if (!force && value.refs > 0) return false;
    value.refs = 0;
    this.#count--;
    if (force) this.#forget(dataId, value);
    this.recorder.discard(value);
    return true;
  }

  #forget(dataId: object, value: Value): void {
    if (dataId === value) this.#departed.add(value);
    this.#adopted.delete(dataId);
  }

  override refCount(dataId: object): number {
    if (this.#hosted.has(dataId)) return this.#host.refCount(dataId);
    return this.#own(dataId)?.refs ?? 0;
  }

  override incRef(dataId: object): void {
    if (this.#hosted.has(dataId)) this.#host.incRef(dataId);
    else this.#resolve(dataId).refs++;
  }

  override numDataIds(): number {
    return this.#count + this.#host.numDataIds();
  }

  override memory(): { unreliable: boolean; numBytes: number; reasons: string[] } {
    return { unreliable: false, numBytes: this.recorder.bytes, reasons: [] };
  }

  override timerAvailable(): boolean {
    return true;
  }

  override async time(work: () => void): Promise<{ kernelMs: number }> {
    this.recorder.flush();
    const start = performance.now();
    work();
    this.recorder.flush();
    return { kernelMs: performance.now() - start };
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {
    this.recorder.flush();
    this.recorder.executables.clear();
  }
}
