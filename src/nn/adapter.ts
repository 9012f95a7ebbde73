/** Low-rank changes of weights (LoRA): computed where a pass reads a weight, so that every architecture takes them. */
import { type Tensor, tf, type Variable } from '../engine/tf.ts';
import { elementCount } from '../io/internal.ts';
import { Net, type NetAbout, type OwnedWeights } from './net.ts';
import { type Overlay, type WeightSource, Weights, type WeightsOptions, type WeightView } from './weights.ts';

/** How one weight changes, by the names of the adapter's own variables. */
export type Change =
  /** `scale · B A`: `down` is A [r, in, ...kernel], `up` is B [out, r]. */
  | { readonly kind: 'factors'; readonly down: string; readonly up: string; readonly scale: number }
  /** A difference of the weight's own shape. */
  | { readonly kind: 'difference'; readonly name: string };

/** Changes by the official name of the weight that they change. */
export type Changes = ReadonlyMap<string, readonly Change[]>;

/** What an adapter changes of which weights, and how much of it counts. */
export class Adapter implements Overlay {
  readonly base: WeightView;
  readonly of: Changes;
  readonly strength: number;

  constructor(base: WeightView, of: Changes, strength: number) {
    if (!Number.isFinite(strength)) throw new RangeError(`strength: wanted a finite number, received ${strength}`);
    this.base = base;
    this.of = of;
    this.strength = strength;
  }

  get id(): string {
    return JSON.stringify([this.strength, ...this.of]);
  }

  changes(name: string): boolean {
    return this.of.has(name);
  }

  /** `W + strength · (Σ scale · B A + Σ difference)` */
  changed(name: string, weight: Tensor, variables: ReadonlyMap<string, Variable>): Tensor {
    return tf.tidy(() => {
      const own = (variable: string): Tensor => variables.get(variable)!;
      const sum = (whole: Tensor, change: Change): Tensor => {
        const [part, scale] = change.kind === 'factors' ? [product(change, own), change.scale] : [own(change.name), 1];
        const counted = this.strength * scale;
        const scaled = counted === 1 ? part : tf.mul(part, counted);
        return tf.add(whole, tf.reshape(scaled, weight.shape));
      };
      return this.of.get(name)!.reduce(sum, weight);
    });
  }
}

/** B A as a matrix [out, in * kernel]. */
function product({ down, up }: { down: string; up: string }, own: (name: string) => Tensor): Tensor {
  const [a, b] = [own(down), own(up)];
  const rank = a.shape[0]!;
  const matrix = (x: Tensor, rows: number): Tensor => tf.reshape(x, [rows, elementCount(x.shape) / rows]);
  return tf.matMul(matrix(b, b.shape[0]!), matrix(a, rank));
}

/** The module of a weight; parameters that are no weight or bias stand for themselves. */
export function moduleOf(weight: string): string {
  return weight.replace(/\.(weight|bias)$/, '');
}

/** The name of the variable that holds A, B or a difference of a weight: `blocks.0.self_attn.q.lora_A.weight`. */
export function changeName(weight: string, part: 'lora_A' | 'lora_B' | 'diff'): string {
  const module = moduleOf(weight);
  if (part !== 'diff') return `${module}.${part}.weight`;
  return weight.endsWith('.bias') ? `${module}.diff_b` : `${module}.diff`;
}

/** A net over another one, which stays its owner's: it owns the variables of its changes alone. */
export function adapt<Config, View extends OwnedWeights>(
  net: Net<Config, View>,
  entries: Iterable<readonly [string, WeightSource]>,
  { changes, strength, about, ...options }: WeightsOptions & { changes: Changes; strength: number; about: NetAbout },
): Net<Config, View> {
  const own = Weights.from(entries, options, new Adapter(net.weights, changes, strength));
  const view = net.weights instanceof Weights ? own : lending(net.weights, own, net.weights, '');
  return net.of(view as unknown as View, about);
}

/** As the adapted weights read, for a base whose blocks are not resident. */
function lending(base: WeightView, own: Weights, root: OwnedWeights, prefix: string): OwnedWeights {
  const adapter = adapterOf(own)!;
  const variables = new Map(own.entries());
  const over = (view: WeightView, at: string): WeightView => ({
    get: (name) => {
      const weight = view.get(name);
      return adapter.changes(at + name) ? adapter.changed(at + name, weight, variables) : weight;
    },
    at: (part) => over(view.at(part), `${at}${part}.`),
  });
  const { lend } = root;
  return {
    ...over(base, prefix),
    ...(lend && { lend: (block, use) => lend(block, (view) => use(over(view, `${block}.`))) }),
    dispose: () => own.dispose(),
  };
}

/** The topmost adapter of weights, null where there is none. */
export function adapterOf(weights: unknown): Adapter | null {
  return weights instanceof Weights && weights.overlay instanceof Adapter ? weights.overlay : null;
}

/** @throws TypeError for a net without an adapter. */
export function wantedAdapter<Config>(net: Net<Config>): Adapter {
  const found = net instanceof Net ? adapterOf(net.weights) : null;
  if (found === null) throw new TypeError('net: wanted one with a LoRA, such as nn.lora or model.loadLora makes');
  return found;
}
