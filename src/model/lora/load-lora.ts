/** A LoRA file laid over a network. */
import type { Net } from '../../nn/index.ts';
import { adapt, type OwnedWeights } from '../../nn/internal.ts';
import { type LoraContent, type ReadLoraOptions, readLora } from './read-lora.ts';

/** Options of {@link loadLora}. */
export interface LoadLoraOptions extends ReadLoraOptions {
  /** Multiplies all changes; may be negative. @defaultValue 1 */
  readonly strength?: number;
  /**
   * Hears by name of modules that the network has not, and of keys that are nothing of a LoRA; the rest is loaded. Without
   * it such a file is refused.
   */
  readonly onUnfit?: (modules: readonly string[]) => void;
  /** Whether the factors may be trained on. @defaultValue true */
  readonly trainable?: boolean;
}

/**
 * The net with a LoRA from a file over it: `W + strength · alpha / rank · B A`, and full differences where the file has
 * them. `path` is a safetensors or PyTorch file, or PEFT's folder, in the naming of diffusers, PEFT, ComfyUI, kohya or
 * LongLive. Scales are the stored alphas, else those of `adapter_config.json` or of diffusers' header, else 1. Several
 * lie over each other by calling it again. `net` stays the caller's and must outlive the result.
 *
 * @throws RangeError naming what does not fit, module by module; for a file of which nothing fits, of another kind of
 * adapter, or with matrices, alphas or values that cannot be.
 * @example
 * const styled = await model.loadLora(wan.net, 'style.safetensors', { strength: 0.8 });
 * const [clip] = await sampler.generateClips({ ...wan, net: styled }, { prompt });
 */
export async function loadLora<Config, View extends OwnedWeights>(
  net: Net<Config, View>,
  path: string,
  options: LoadLoraOptions = {},
): Promise<Net<Config, View>> {
  return layLora(net, await readLora(path, net, options), options);
}

/** The net with what {@link readLora} has read over it. */
export function layLora<Config, View extends OwnedWeights>(
  net: Net<Config, View>,
  content: LoraContent,
  { strength = 1, onUnfit, trainable = true }: LoadLoraOptions = {},
): Net<Config, View> {
  const { changes, tensors, unfit } = content;
  if (unfit.length > 0) (onUnfit ?? refuse(content, net))(unfit);
  const over = net.about.origin ?? net.architecture.name;
  const about = { origin: `${content.path}${strength === 1 ? '' : ` at ${strength}`} over ${over}` };
  return adapt(net, tensors, { changes, strength, about, trainable });
}

function refuse<Config, View extends OwnedWeights>(
  { path, changes }: LoraContent,
  { architecture }: Net<Config, View>,
) {
  return (unfit: readonly string[]): never => {
    throw new RangeError(
      `${path}: the ${architecture.name} has no place for ${unfit.join(', ')}; ${changes.size} other weights fit: give ` +
        'onUnfit to load these alone',
    );
  };
}
