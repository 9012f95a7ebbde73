/** LoRA of any net: low-rank changes that train alone, with the network beneath as it is. */
import { type Tensor, tf } from '../engine/tf.ts';
import type { HostTensor } from '../io/index.ts';
import { elementCount } from '../io/internal.ts';
import { Adapter, adapt, type Change, changeName, moduleOf, wantedAdapter } from './adapter.ts';
import type { Net } from './net.ts';
import { type Key, random } from './random.ts';
import { constant } from './shapes.ts';
import { Weights, type WeightsOptions } from './weights.ts';

/** Options of {@link lora}. */
export interface LoraOptions {
  /** Rank r of every change. */
  readonly rank: number;
  /** Changes count `alpha / rank` times. @defaultValue rank */
  readonly alpha?: number;
  /**
   * Modules that change: the ends of their names (`'q'`, `'self_attn.q'`, `'ffn.0'`) as in PEFT's `target_modules`, or a
   * choice by full name. @defaultValue all matrices between hidden states
   */
  readonly targets?: readonly string[] | ((module: string) => boolean);
  /** Changes count `alpha / sqrt(rank)` times (rsLoRA, arXiv 2312.03732). @defaultValue false */
  readonly rsLora?: boolean;
  /** Draws A. @defaultValue random.key(0) */
  readonly key?: Key;
}

/**
 * A net over `net` in which chosen matrices read as `W + alpha / rank · B A`, A [rank, in] drawn uniformly from
 * ±1/sqrt(in), B [out, rank] zero, so that it computes what `net` does until it is trained. A convolution's A is
 * [rank, in, ...kernel]. Its weights are the factors alone: gradients, optimiser state, averages and checkpoints are of
 * these. `net` stays the caller's, must outlive it, and must not be trained at the same time. A net with a LoRA can be
 * given one more; only the last one trains. Source: Hu et al., arXiv 2106.09685; initial values as PEFT's.
 *
 * @throws RangeError for a rank or alpha that cannot be, and for targets that no module is.
 * @example
 * const student = nn.lora(nets.ode, { rank: 8, targets: ['q', 'k', 'v', 'o'] });
 * for await (const step of train.reward({ student, ...rest })) show.step(step);
 * await model.saveLora(student, 'reward-lora.safetensors', { naming: 'comfyui' });
 */
export function lora<Config>(net: Net<Config>, options: LoraOptions): Net<Config> {
  const { rank, alpha = rank, rsLora = false, key = random.key(0) } = options;
  if (!Number.isSafeInteger(rank) || rank < 1) {
    throw new RangeError(`rank: wanted a whole number from 1, received ${rank}`);
  }
  if (!Number.isFinite(alpha) || alpha <= 0) {
    throw new RangeError(`alpha: wanted a finite number above 0, received ${alpha}`);
  }
  const scale = alpha / (rsLora ? Math.sqrt(rank) : rank);
  const modules = targetsOf(net, options.targets);
  const entries = modules.flatMap(([weight, [out = 1, ...rest]]): [string, HostTensor][] => {
    const bound = 1 / Math.sqrt(elementCount(rest));
    const up = [out, rank, ...rest.slice(1).map(() => 1)];
    return [
      [changeName(weight, 'lora_A'), key.stream(weight).uniform([rank, ...rest], -bound, bound)],
      [changeName(weight, 'lora_B'), constant(0)(key, up)],
    ];
  });
  const changes = new Map(modules.map(([weight]) => [weight, [factorsOf(weight, scale)]]));
  const origin = `LoRA of rank ${rank} on ${modules.length} modules of ${net.about.origin ?? net.architecture.name}`;
  return adapt(net, entries, { changes, strength: 1, about: { origin } });
}

/** The change of a weight by its two factors. */
export function factorsOf(weight: string, scale: number): Change {
  return { kind: 'factors', down: changeName(weight, 'lora_A'), up: changeName(weight, 'lora_B'), scale };
}

/** Names and shapes of the matrices that change. */
function targetsOf<Config>(
  { architecture, config }: Net<Config>,
  targets: LoraOptions['targets'],
): (readonly [string, readonly number[]])[] {
  const matrices = [...architecture.shapes(config)].filter(
    ([name, shape]) => name.endsWith('.weight') && shape.length >= 2,
  );
  const isEnd = (module: string, end: string): boolean => module === end || module.endsWith(`.${end}`);
  if (Array.isArray(targets)) {
    const absent = targets.filter((end) => !matrices.some(([name]) => isEnd(moduleOf(name), end)));
    if (absent.length > 0)
      throw new RangeError(`targets: no matrix of ${architecture.name} ends in ${absent.join(', ')}`);
  }
  const isChosen = (name: string, shape: readonly number[]): boolean => {
    if (targets === undefined) return shape.length === 2 && (architecture.isHidden?.(name) ?? true);
    if (typeof targets === 'function') return targets(moduleOf(name));
    return targets.some((end) => isEnd(moduleOf(name), end));
  };
  const chosen = matrices.filter(([name, shape]) => isChosen(name, shape));
  if (chosen.length > 0) return chosen;
  const some = matrices.slice(0, 6).map(([name]) => moduleOf(name));
  throw new RangeError(
    `targets: none of the matrices of ${architecture.name} was chosen; there are ${some.join(', ')}`,
  );
}

/**
 * The same LoRA at another strength, which multiplies its changes: 0 switches it off, a negative one turns it round. It
 * shares the factors; dispose of one of the two.
 *
 * @throws TypeError for a net without a LoRA.
 * @example const half = nn.scaleLora(student, 0.5);
 */
export function scaleLora<Config>(net: Net<Config>, strength: number): Net<Config> {
  const { base, of } = wantedAdapter(net);
  return net.of(net.weights.over(new Adapter(base, of, strength)), net.about);
}

/**
 * The weights that the LoRA lies over, as a net: what it computes with its adapter switched off. They stay their owner's.
 *
 * @throws TypeError for a net without a LoRA.
 * @example const referenceModel = { net: nn.withoutLora(student), weight: 0.1 };
 */
export function withoutLora<Config>(net: Net<Config>): Net<Config> {
  return net.of(wantedAdapter(net).base as Weights);
}

/**
 * A network of its own with the changes of all LoRAs in its weights: `W + strength · scale · B A`.
 *
 * @throws TypeError for a net without a LoRA.
 * @example const merged = nn.mergeLora(student); // computes the same as student, and as fast as its base
 */
export function mergeLora<Config>(net: Net<Config>, options: WeightsOptions = {}): Net<Config> {
  wantedAdapter(net);
  const { architecture, config, weights, about } = net;
  return net.of(Weights.from(merged(weights, architecture.shapes(config).keys()), options), about);
}

function* merged(weights: Weights, names: Iterable<string>): Generator<[string, Tensor]> {
  for (const name of names) {
    const copy = tf.tidy(() => tf.mul(weights.get(name), 1)); // memory of its own
    yield [name, copy];
    copy.dispose();
  }
}
