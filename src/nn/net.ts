/**
 * A network as one value: weights with the configuration that gives them their meaning, and the architecture that both
 * belong to. Models, samplers, rewards and training take nets; nothing passes weights and configuration apart.
 */
import { createHash } from 'node:crypto';
import { escapeHtml, jupyterDisplay, type MimeBundle } from '../display/index.ts';
import type { HostTensor } from '../io/index.ts';
import { bytesOf } from '../io/internal.ts';
import { type CheckpointEntries, loadChecked, plainName, renamedEntries } from './load.ts';
import type { Key } from './random.ts';
import { checkShapes, parameterCount, type Shapes } from './shapes.ts';
import { type Overlay, type Part, Weights, type WeightsOptions, type WeightView } from './weights.ts';
import { weightsBundle } from './weights-display.ts';

/** Where a net comes from. */
export interface NetAbout {
  /** A file, or how it was made. */
  readonly origin?: string;
  /** Of the file that it was read from. */
  readonly sha256?: string;
  /** Further facts that its file tells: stage, seed, scale of a reward. */
  readonly facts?: Readonly<Record<string, string>>;
}

/** How {@link Architecture.load} makes a net. */
export interface LoadOptions extends WeightsOptions {
  readonly about?: NetAbout;
}

/** A file's shapes beside those that a configuration asks for. */
export interface Comparison {
  readonly wanted: Shapes;
  /** The file's own under official names. */
  readonly official: Shapes;
  /** What loading it takes beside its entries. */
  readonly note?: string;
}

/** What one folder of models knows of its architecture; see {@link architecture}. */
export interface ArchitectureParts<Config, Forward, Preset extends string> {
  /** What people call it: `Wan transformer`. */
  readonly name: string;
  /** Configurations by their published names. */
  readonly presets: Readonly<Record<Preset, Config>>;
  /** Shape of every weight by its official name. */
  shapes(config: Config): Shapes;
  /** What files put before the names, such as `model.diffusion_model.`; wrappers of training are known anyway. */
  readonly prefixes?: readonly string[];
  /** Official name of a weight in any published naming, null for what the network does not read. */
  officialName?(config: Config): (name: string) => string | null;
  /** Name of an official weight in diffusers' own model, where it has this one. */
  diffusersName?(official: string): string;
  /** Tensors of a checkpoint brought into the official form, where names alone do not do it (joined, transposed). */
  official?(entries: CheckpointEntries, config: Config): CheckpointEntries;
  /** First weights for training from nothing. */
  initial?(config: Config, key: Key): Iterable<readonly [string, HostTensor]>;
  /** Whether a weight lies between hidden states (no embedding, no head): what optimisers for hidden matrices ask. */
  isHidden?(name: string): boolean;
  /** The shapes that a file is compared with, and its own as they are under official names, without reading a tensor. */
  compare?(received: Shapes, config: Config): Comparison;
  /** The network's pass. */
  readonly forward: Forward;
}

/** One kind of network: its presets, shapes and names, and how a {@link Net} of it is made and run. */
export interface Architecture<Config, Forward = unknown, Preset extends string = string>
  extends ArchitectureParts<Config, Forward, Preset> {
  officialName(config: Config): (name: string) => string | null;
  compare(received: Shapes, config: Config): Comparison;
  /** A net from the tensors of a checkpoint in any published naming. @throws Error listing the weights that do not fit. */
  load(config: Config, entries: CheckpointEntries, options?: LoadOptions): Promise<Net<Config>>;
  /** A net with fresh weights, drawn from `key`. @throws Error for what nothing here trains from nothing. */
  init(config: Config, key: Key): Net<Config>;
  /** A net of weights that are there already, which it owns from here on. @throws Error listing those that do not fit. */
  net(config: Config, weights: Weights, about?: NetAbout): Net<Config>;
}

/**
 * The record of an architecture from what its folder knows.
 *
 * @example
 * export const dino = architecture({ name: 'DINO', presets: dinoPresets, shapes: dinoShapes });
 * const net = await dino.load(dino.presets.dino_vitb16, file.entries());
 */
export function architecture<Config, Forward, Preset extends string>(
  parts: ArchitectureParts<Config, Forward, Preset>,
): Architecture<Config, Forward, Preset> {
  const { name, shapes, initial, prefixes = [] } = parts;
  const plain = (given: string): string | null => plainName(given, prefixes);
  const officialName = (config: Config): ((given: string) => string | null) => {
    const own = parts.officialName?.(config) ?? ((given: string) => given);
    return (given) => {
      const bare = plain(given);
      return bare === null ? null : own(bare);
    };
  };
  const made: Architecture<Config, Forward, Preset> = {
    ...parts,
    officialName,
    compare: (received, config) =>
      parts.compare?.(renamedShapes(received, plain), config) ?? {
        wanted: shapes(config),
        official: renamedShapes(received, officialName(config)),
      },
    load: async (config, entries, { about, ...options } = {}) => {
      const official = parts.official?.(renamedEntries(entries, plain), config) ?? entries;
      return new Net(made, config, await loadChecked(shapes(config), official, officialName(config), options), about);
    },
    init: (config, key) => {
      if (!initial) throw new Error(`${name}: nothing here trains it from nothing; load a checkpoint of it`);
      return new Net(made, config, Weights.from(initial(config, key)), { origin: `drawn from key ${key.id}` });
    },
    net: (config, weights, about) => {
      checkShapes(weights.shapes(), shapes(config), about?.origin ?? `the weights of ${name}`);
      return new Net(made, config, weights, about);
    },
  };
  return made;
}

/** Shapes under official names; null drops one, and what would stand twice keeps its own name. */
function renamedShapes(received: Shapes, rename: (name: string) => string | null): Shapes {
  const named = new Map<string, readonly number[]>();
  for (const [name, shape] of received) {
    const official = rename(name);
    if (official !== null) named.set(named.has(official) ? name : official, shape);
  }
  return named;
}

/** Weights that can be released. */
export type OwnedWeights = WeightView & { dispose(): void };

/**
 * Weights with their configuration, as one value that owns its memory: `dispose()` releases it.
 *
 * @example
 * const student = nets.distilled.clone(); // to train; the original stays as it is
 * const windowed = student.with({ local_attn_size: 9 }); // the same weights under another configuration
 */
export class Net<Config, View extends OwnedWeights = Weights> implements Part<Config> {
  readonly architecture: Architecture<Config>;
  readonly config: Config;
  readonly weights: View;
  readonly about: NetAbout;

  static {
    const value = function (this: Net<unknown, OwnedWeights>): MimeBundle {
      return bundleOf(this);
    };
    Object.defineProperty(Net.prototype, jupyterDisplay, { value });
  }

  constructor(architecture: Architecture<Config>, config: Config, weights: View, about: NetAbout = {}) {
    this.architecture = architecture;
    this.config = config;
    this.weights = weights;
    this.about = about;
  }

  /** The same weights under a configuration with other values: a window of attention, the frames of a block. */
  with(change: Partial<Config>): Net<Config, View> {
    return new Net(this.architecture, { ...this.config, ...change }, this.weights, this.about);
  }

  /** A net of the same configuration on other weights, such as a moving average; it owns them from here on. */
  of<Other extends OwnedWeights>(weights: Other, about: NetAbout = {}): Net<Config, Other> {
    return new Net(this.architecture, this.config, weights, about);
  }

  /** An independent copy, to train. */
  clone(this: Net<Config, Weights>, options: WeightsOptions = {}): Net<Config> {
    return new Net(this.architecture, this.config, this.weights.clone(options), this.about);
  }

  /** Number of elements of all weights. */
  get parameters(): number {
    return parameterCount(this.architecture.shapes(this.config));
  }

  /** SHA-256 over names, shapes and values of all weights as they are now, for provenance; a LoRA with what it lies over. */
  async checksum(this: Net<Config, Weights>): Promise<string> {
    const { overlay } = this.weights;
    const own = checksumOf(await this.weights.toHost());
    return overlay === null ? own : sha256(`${own} over ${await overlayChecksum(overlay)}`);
  }

  /** Releases the weights. */
  dispose(): void {
    this.weights.dispose();
  }

  toString(): string {
    const { name, presets } = this.architecture;
    const preset = Object.keys(presets).find((key) => presets[key] === this.config);
    const parts = [preset, `${this.parameters.toLocaleString('en')} parameters`, this.about.origin];
    return `${name} · ${parts.filter((part) => part !== undefined).join(' · ')}`;
  }
}

/** What a notebook shows: what the net is, its configuration, and the tree of its weights. */
function bundleOf<Config>(net: Net<Config, OwnedWeights>): MimeBundle {
  const config = Object.entries(net.config as object)
    .map(([key, value]) => `${key} ${JSON.stringify(value)}`)
    .join(', ');
  const title = `<div><b>${escapeHtml(String(net))}</b><br><code>${escapeHtml(config)}</code></div>`;
  if (!(net.weights instanceof Weights)) return { 'text/html': title, 'text/plain': `${net}\n${config}` };
  const tree = weightsBundle(net.weights.entries());
  return { 'text/html': title + tree['text/html'], 'text/plain': `${net}\n${config}\n${tree['text/plain']}` };
}

/** SHA-256 of what lies beneath a LoRA, and of how it is changed. */
export async function overlayChecksum({ id, base }: Overlay): Promise<string> {
  if (!(base instanceof Weights))
    throw new TypeError('a network whose blocks are swapped has no checksum: load it whole');
  const own = checksumOf(await base.toHost());
  return sha256([id, own, base.overlay ? await overlayChecksum(base.overlay) : ''].join('\n'));
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** SHA-256 over names, types, shapes and bytes of tensors, in the order of their names. */
export function checksumOf(tensors: ReadonlyMap<string, HostTensor>): string {
  const hash = createHash('sha256');
  for (const name of [...tensors.keys()].sort()) {
    const tensor = tensors.get(name)!;
    hash.update(`${name} ${tensor.dtype} [${tensor.shape}]\n`).update(bytesOf(tensor));
  }
  return hash.digest('hex');
}
