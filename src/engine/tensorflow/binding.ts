/**
 * The native half of @tensorflow/tfjs-node, which its JavaScript calls (`TFJSBinding` in its tfjs_binding.d.ts): tensors
 * by number, operations by name. Here it runs on the C interface of any libtensorflow, without a compiler.
 */
import type { Pointer } from '../native.ts';
import type { TensorflowApi } from './c-api.ts';

/** Codes of data types (tf_datatype.h). */
const type = { float: 1, int32: 3, uint8: 4, string: 7, complex64: 8, int64: 9, bool: 10, resource: 20 } as const;
/** Codes of attribute kinds in tfjs-node. */
const kind = { string: 0, int: 1, float: 2, bool: 3, type: 4, shape: 5, resource: 6 } as const;

const elementBytes: Readonly<Record<number, number>> = { 1: 4, 3: 4, 4: 1, 8: 8, 9: 8, 10: 1 };
/** Bytes of a TF_TString. */
const stringBytes = 24;
const resourceExhausted = 8;

/** An error of the library, with its status code (tsl/c/tsl_status.h). */
export class TensorflowError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'TensorflowError';
    this.code = code;
  }

  /** No memory was left: trying the operation elsewhere would not help. */
  get isOutOfMemory(): boolean {
    return this.code === resourceExhausted;
  }
}

type Values = Float32Array | Int32Array | Uint8Array | BigInt64Array;

interface TensorMetadata {
  readonly id: number;
  readonly shape: number[];
  readonly dtype: number;
}

/** An attribute of an operation; lists only of numbers and booleans. */
interface OpAttribute {
  readonly name: string;
  readonly type: number;
  readonly value: unknown;
}

export interface ContextOptions {
  readonly threads?: number;
}

/** ConfigProto: intra_op_parallelism_threads (2), inter_op_parallelism_threads (5), gpu_options.allow_growth (6.4). */
function configOf({ threads }: ContextOptions): Uint8Array {
  const growth = [0x32, 0x02, 0x20, 0x01];
  if (threads === undefined) return Uint8Array.from(growth);
  const varint = threads < 128 ? [threads] : [(threads & 127) | 128, threads >> 7];
  return Uint8Array.from([0x10, ...varint, 0x28, 0x01, ...growth]);
}

function dimensions(shape: readonly number[]): BigInt64Array {
  return BigInt64Array.from(shape.length > 0 ? shape.map(BigInt) : [0n]);
}

function product(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

/** Codes as tfjs-node reads them off its binding. */
const codes = {
  TF_FLOAT: type.float,
  TF_INT32: type.int32,
  TF_INT64: type.int64,
  TF_BOOL: type.bool,
  TF_UINT8: type.uint8,
  TF_COMPLEX64: type.complex64,
  TF_STRING: type.string,
  TF_RESOURCE: type.resource,
  TF_ATTR_STRING: kind.string,
  TF_ATTR_INT: kind.int,
  TF_ATTR_FLOAT: kind.float,
  TF_ATTR_BOOL: kind.bool,
  TF_ATTR_TYPE: kind.type,
  TF_ATTR_SHAPE: kind.shape,
  TF_ATTR_RESOURCE: kind.resource,
};

export class Binding {
  readonly TF_Version: string;
  /** The device that tensors go to, as TensorFlow names it. */
  readonly device: string;
  readonly #api: TensorflowApi;
  readonly #status: Pointer;
  readonly #context: Pointer;
  readonly #handles = new Map<number, Pointer>();
  readonly #hasGpu: boolean;
  #results = new BigUint64Array(16);
  readonly #resultCount = new Int32Array(1);
  #nextId = 0;

  constructor(api: TensorflowApi, options: ContextOptions = {}) {
    Object.assign(this, codes);
    this.#api = api;
    this.#status = api.TF_NewStatus();
    this.TF_Version = api.TF_Version();
    this.#context = this.#newContext(configOf(options));
    const devices = this.#listDevices();
    const gpu = devices.find((device) => device.type === 'GPU');
    this.#hasGpu = gpu !== undefined;
    this.device = (gpu ?? devices.find((device) => device.type === 'CPU'))!.name;
  }

  #newContext(config: Uint8Array): Pointer {
    const [api, status] = [this.#api, this.#status];
    const options = api.TFE_NewContextOptions();
    api.TFE_ContextOptionsSetConfig(options, config, config.length, status);
    this.#check('context options');
    const context = api.TFE_NewContext(options, status);
    api.TFE_DeleteContextOptions(options);
    this.#check('a new context');
    return context;
  }

  #listDevices(): { readonly type: string; readonly name: string }[] {
    const [api, status] = [this.#api, this.#status];
    const list = api.TFE_ContextListDevices(this.#context, status);
    this.#check('the list of devices');
    const devices = Array.from({ length: api.TF_DeviceListCount(list) }, (_, i) => ({
      type: api.TF_DeviceListType(list, i, status),
      name: api.TF_DeviceListName(list, i, status),
    }));
    api.TF_DeleteDeviceList(list);
    return devices;
  }

  /** Throws what the last call reported. */
  #check(what: string): void {
    const code = this.#api.TF_GetCode(this.#status);
    if (code === 0) return;
    const message = this.#api.TF_Message(this.#status);
    const prefix = code === resourceExhausted ? 'out of memory: ' : '';
    throw new TensorflowError(code, `engine tensorflow: ${what}: ${prefix}${message} (TensorFlow's code ${code})`);
  }

  #handleOf(id: number): Pointer {
    const handle = this.#handles.get(id);
    if (handle === undefined) throw new Error(`engine tensorflow: tensor ${id} was used after it was disposed of`);
    return handle;
  }

  #keep(handle: Pointer): number {
    this.#handles.set(this.#nextId, handle);
    return this.#nextId++;
  }

  isUsingGpuDevice(): boolean {
    return this.#hasGpu;
  }

  getNumOfTensors(): number {
    return this.#handles.size;
  }

  getNumOfSavedModels(): number {
    return 0;
  }

  createTensor(shape: number[], dtype: number, values: Values | Uint8Array[]): number {
    const tensor = Array.isArray(values) ? this.#newStrings(shape, values) : this.#newNumbers(shape, dtype, values);
    const handle = this.#api.TFE_NewTensorHandle(tensor, this.#status);
    this.#api.TF_DeleteTensor(tensor);
    this.#check('a new tensor');
    const staysOnHost = !this.#hasGpu || dtype === type.int32 || dtype === type.string;
    return this.#keep(staysOnHost ? handle : this.#toDevice(handle));
  }

  #toDevice(handle: Pointer): Pointer {
    const moved = this.#api.TFE_TensorHandleCopyToDevice(handle, this.#context, this.device, this.#status);
    this.#api.TFE_DeleteTensorHandle(handle);
    this.#check(`a copy to ${this.device}`);
    return moved;
  }

  #newNumbers(shape: number[], dtype: number, values: Values): Pointer {
    const api = this.#api;
    const width = elementBytes[dtype];
    if (width === undefined) throw new Error(`engine tensorflow: no tensors of TensorFlow's data type ${dtype}`);
    const size = product(shape) * width;
    if (size !== values.byteLength) {
      throw new Error(`engine tensorflow: shape [${shape}] wants ${size} bytes, got ${values.byteLength}`);
    }
    const tensor = api.TF_AllocateTensor(dtype, dimensions(shape), shape.length, size);
    if (size > 0) api.copyIn(api.TF_TensorData(tensor), values, size);
    return tensor;
  }

  #newStrings(shape: number[], values: readonly Uint8Array[]): Pointer {
    const api = this.#api;
    const tensor = api.TF_AllocateTensor(type.string, dimensions(shape), shape.length, values.length * stringBytes);
    const data = api.TF_TensorData(tensor);
    values.forEach((text, i) => {
      if (!(text instanceof Uint8Array)) throw new Error('engine tensorflow: a string tensor takes arrays of bytes');
      api.TF_StringInit(data + stringBytes * i);
      api.TF_StringCopy(data + stringBytes * i, text, text.length);
    });
    return tensor;
  }

  deleteTensor(id: number): void {
    this.#api.TFE_DeleteTensorHandle(this.#handleOf(id));
    this.#handles.delete(id);
  }

  tensorDataSync(id: number): Values | Uint8Array[] {
    const handle = this.#handleOf(id);
    const dtype = this.#api.TFE_TensorHandleDataType(handle);
    const tensor = this.#api.TFE_TensorHandleResolve(handle, this.#status);
    this.#check('reading a tensor');
    try {
      return dtype === type.string ? this.#readStrings(tensor) : this.#readNumbers(tensor, dtype);
    } finally {
      this.#api.TF_DeleteTensor(tensor);
    }
  }

  #readStrings(tensor: Pointer): Uint8Array[] {
    const api = this.#api;
    const data = api.TF_TensorData(tensor);
    return Array.from({ length: api.TF_TensorElementCount(tensor) }, (_, i) => {
      const at = data + stringBytes * i;
      const text = new Uint8Array(api.TF_StringGetSize(at));
      if (text.length > 0) api.copyOut(text, api.TF_StringGetDataPointer(at), text.length);
      return text;
    });
  }

  #readNumbers(tensor: Pointer, dtype: number): Values {
    const size = this.#api.TF_TensorByteSize(tensor);
    const values = arrayFor(dtype, size);
    if (size > 0) this.#api.copyOut(values, this.#api.TF_TensorData(tensor), size);
    return values;
  }

  executeOp(name: string, attributes: OpAttribute[], inputIds: number[], outputCount: number): TensorMetadata[] {
    const [api, status] = [this.#api, this.#status];
    const op = api.TFE_NewOp(this.#context, name, status);
    this.#check(name);
    try {
      for (const id of inputIds) {
        api.TFE_OpAddInput(op, this.#handleOf(id), status);
        this.#check(name);
      }
      for (const attribute of attributes) this.#setAttribute(op, attribute);
      if (outputCount > this.#results.length) this.#results = new BigUint64Array(2 * outputCount);
      this.#resultCount[0] = outputCount;
      api.TFE_Execute(op, this.#results, this.#resultCount, status);
      this.#check(name);
      return Array.from(this.#results.subarray(0, this.#resultCount[0]), (handle) => this.#describe(Number(handle)));
    } finally {
      api.TFE_DeleteOp(op);
    }
  }

  #describe(handle: Pointer): TensorMetadata {
    const [api, status] = [this.#api, this.#status];
    const rank = api.TFE_TensorHandleNumDims(handle, status);
    const shape = Array.from({ length: Math.max(0, rank) }, (_, i) => api.TFE_TensorHandleDim(handle, i, status));
    this.#check('the shape of a result');
    return { id: this.#keep(handle), shape, dtype: api.TFE_TensorHandleDataType(handle) };
  }

  #setAttribute(op: Pointer, { name, type: of, value }: OpAttribute): void {
    const api = this.#api;
    const key = api.internName(name);
    if (Array.isArray(value) && of !== kind.shape) this.#setList(op, key, of, value);
    else if (of === kind.string) {
      const text = Buffer.from(value as string, 'utf8');
      api.TFE_OpSetAttrString(op, key, text.length > 0 ? text : null, text.length);
    } else if (of === kind.int) api.TFE_OpSetAttrInt(op, key, Math.trunc(value as number));
    else if (of === kind.float) api.TFE_OpSetAttrFloat(op, key, value as number);
    else if (of === kind.bool) api.TFE_OpSetAttrBool(op, key, value ? 1 : 0);
    else if (of === kind.type) api.TFE_OpSetAttrType(op, key, value as number);
    else if (of === kind.shape) this.#setShape(op, key, value as number[]);
    else throw new Error(`engine tensorflow: attribute ${name} has the unknown kind ${of}`);
  }

  #setShape(op: Pointer, key: Pointer, shape: number[]): void {
    this.#api.TFE_OpSetAttrShape(op, key, dimensions(shape), shape.length, this.#status);
    this.#check('a shape attribute');
  }

  #setList(op: Pointer, key: Pointer, of: number, values: number[]): void {
    const api = this.#api;
    if (of === kind.int) api.TFE_OpSetAttrIntList(op, key, dimensions(values), values.length);
    else if (of === kind.float) api.TFE_OpSetAttrFloatList(op, key, Float32Array.from(values), values.length);
    else if (of === kind.bool) api.TFE_OpSetAttrBoolList(op, key, Uint8Array.from(values, Number), values.length);
    else throw new Error(`engine tensorflow: a list of the attribute kind ${of}`);
  }

  loadSavedModel(): never {
    throw new Error('engine tensorflow: saved models are not read here; convert them to weights (.safetensors)');
  }
}

function arrayFor(dtype: number, size: number): Values {
  if (dtype === type.float || dtype === type.complex64) return new Float32Array(size / 4);
  if (dtype === type.int32) return new Int32Array(size / 4);
  if (dtype === type.int64) return new BigInt64Array(size / 8);
  if (dtype === type.bool || dtype === type.uint8 || dtype === type.resource) return new Uint8Array(size);
  throw new Error(`engine tensorflow: a result of TensorFlow's data type ${dtype}, which TensorFlow.js does not know`);
}
