/**
 * Widgets without Python: a model in the front end, kept in step over a comm, drawn by a module that travels with it.
 * Source: Jupyter widgets messaging protocol 2.1; anywidget's front-end module (AnyModel and AnyView).
 */
import type { MimeData } from '../../bridge.ts';
import type { Json } from '../../protocol/wire.ts';
import { current } from '../bound.ts';
import type { Comm, CommMessage } from '../comms.ts';
import { DISPLAY } from '../mime.ts';

const TARGET = 'jupyter.widget';
const VIEW = 'application/vnd.jupyter.widget-view+json';
const ANYWIDGET = {
  _model_module: 'anywidget',
  _model_name: 'AnyModel',
  _model_module_version: '*',
  _view_module: 'anywidget',
  _view_name: 'AnyView',
  _view_module_version: '*',
  _view_count: null,
};

/** How a widget looks and what front ends without widgets show in its place. */
export interface WidgetLook {
  /** An ECMAScript module whose default export is `{ render({ model, el }) }`. */
  module: string;
  css?: string;
  text: string;
  png?: Uint8Array;
}

/** One widget; `State` holds JSON values, and bytes that go as buffers. */
export interface Widget<State extends object> {
  /** The state as both sides know it. */
  readonly state: Readonly<State>;
  /** Changes the state here and in the front end. */
  set(changed: Partial<State>): void;
  /** Hears of changes made in the front end; returns the function that ends it. */
  onChange(listener: (changed: Partial<State>) => void): () => void;
  /** Ends the widget: its view stays as it is. */
  close(): void;
  [DISPLAY](): MimeData;
}

/** Makes a widget; it meets the front end when it is first shown. */
export function createWidget<State extends object>(state: State, look: WidgetLook): Widget<State> {
  return new Model(state, look);
}

class Model<State extends object> implements Widget<State> {
  readonly #look: WidgetLook;
  readonly #listeners = new Set<(changed: Partial<State>) => void>();
  #state: State;
  #comm: Comm | null = null;

  constructor(state: State, look: WidgetLook) {
    this.#state = { ...state };
    this.#look = look;
  }

  get state(): Readonly<State> {
    return this.#state;
  }

  set(changed: Partial<State>): void {
    this.#state = { ...this.#state, ...changed };
    this.#send(changed);
  }

  onChange(listener: (changed: Partial<State>) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#comm?.close();
    this.#comm = null;
  }

  [DISPLAY](): MimeData {
    const comm = this.#open();
    const { text, png } = this.#look;
    return {
      [VIEW]: { model_id: comm.id, version_major: 2, version_minor: 1 },
      ...(png && { 'image/png': png }),
      'text/plain': text,
    };
  }

  #open(): Comm {
    if (this.#comm) return this.#comm;
    const { module: _esm, css: _css = '' } = this.#look;
    const { json, paths, buffers } = splitBuffers(this.#state);
    const state = { ...ANYWIDGET, _anywidget_id: 'reward-forcing.widget', _esm, _css, ...json };
    const options = { metadata: { version: '2.1.0' }, buffers };
    const comm = current().comms.open(TARGET, { state, buffer_paths: paths }, options);
    comm.onMessage = (message) => this.#receive(message);
    this.#comm = comm;
    return comm;
  }

  #receive({ data }: CommMessage): void {
    if (data['method'] === 'request_state') this.#send(this.#state);
    if (data['method'] !== 'update') return;
    const changed = data['state'] as Partial<State>;
    this.#state = { ...this.#state, ...changed };
    for (const listener of this.#listeners) listener(changed);
  }

  #send(changed: Partial<State>): void {
    const { json, paths, buffers } = splitBuffers(changed);
    this.#comm?.send({ method: 'update', state: json, buffer_paths: paths }, buffers);
  }
}

/** Takes bytes, and lists of bytes, out of a state: they go beside the JSON, at these paths. */
function splitBuffers(state: object): { json: Json; paths: (string | number)[][]; buffers: Uint8Array[] } {
  const json: Json = {};
  const paths: (string | number)[][] = [];
  const buffers: Uint8Array[] = [];
  const take = (path: (string | number)[], bytes: Uint8Array): null => {
    paths.push(path);
    buffers.push(bytes);
    return null;
  };
  for (const [name, value] of Object.entries(state)) {
    if (value instanceof Uint8Array) take([name], value);
    else if (Array.isArray(value)) {
      json[name] = value.map((item, i) => (item instanceof Uint8Array ? take([name, i], item) : item));
    } else json[name] = value;
  }
  return { json, paths, buffers };
}
