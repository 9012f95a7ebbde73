/**
 * A world: things that move over small frames, with captions that say so. All that the study does it does through this
 * contract, so that another world is one value more: a folder beside this file, or a cell of a notebook.
 */
import type { Clip } from '../io/index.ts';
import type { HostFloats } from '../nn/index.ts';
import type { Json, Source } from '../train/index.ts';
import { type TextSizes, type WorldText, wordText } from './captions.ts';
import type { WorldJudge } from './judge.ts';
import { type Claim, type Measure, motionMeasures, rewardMeasures } from './measures.ts';
import type { RecipeChanges } from './recipe.ts';
import { clipSource } from './sources.ts';

/** Nothing of `test` is ever trained on: other exemplars, other clips. */
export type Split = 'train' | 'test';

/** `seen` prompts occur in training, `held-out` ones never do, `all` is both. */
export type PromptSet = 'seen' | 'held-out' | 'all';

/** What decides a clip beside its index. */
export interface ClipDraw {
  /** @defaultValue 0 */
  readonly seed?: number | string;
  /** @defaultValue 'train' */
  readonly split?: Split;
  /** What the clip has to show. @defaultValue drawn by seed and index: a seen prompt in `train`, any in `test` */
  readonly prompt?: string;
}

/** A captioned clip with what is known about it. */
export interface WorldClip<Truth = unknown> {
  /** Pixels in [0, 1]. */
  readonly clip: Clip;
  readonly caption: string;
  /** What it shows, in the world's own terms: thing, path, speed. */
  readonly truth: Truth;
}

/** Which world a recipe, a run folder or a file of weights belongs to. */
export interface WorldIdentity {
  readonly id: string;
  /** What its clips depend on beside seed, split and index. */
  readonly options: { readonly [name: string]: Json };
}

/** What is special about a world; {@link defineWorld} adds the rest. */
export interface WorldParts<Truth = unknown> extends WorldIdentity {
  /** Where its things come from and under which licence; kept with weights that were trained on it. */
  readonly origin: string;
  /** Of every clip. */
  readonly size: Pick<Clip, 'frames' | 'height' | 'width' | 'fps'>;
  /** All captions. */
  readonly captions: readonly string[];
  /** Those of them that training never shows. @defaultValue none */
  readonly heldOut?: readonly string[];
  /** The index-th clip of an endless, fixed sequence: the same draw gives the same clip. */
  clip(index: number, draw: ClipDraw): WorldClip<Truth>;
  /** Rows of the text table. @defaultValue the words of the captions, in the order in which they first occur */
  readonly words?: readonly string[];
  /** Text states of captions. @defaultValue a fixed table with a row for each word */
  text?(sizes: TextSizes): WorldText;
  /** A few characters for a prompt, to stand under a picture. @defaultValue the prompt */
  brief?(prompt: string): string;
  /** Videos [B, F, H, W, 3] in [-1, 1] that the autoencoder learns from. @defaultValue whole clips of `train` */
  autoencoderSource?(seed: number | string): Source<HostFloats>;
  /** Networks that judge its clips, in the order in which they are trained. @defaultValue none */
  readonly judges?: readonly WorldJudge[];
  /** What its clips are measured by, in the order of tables. @defaultValue motion, and the rewards among `judges` */
  readonly measures?: readonly Measure[];
  /** What is said of the method on this world, fixed before any result. @defaultValue none */
  readonly claims?: readonly Claim[];
  /** Where training on it departs from the default recipe. @defaultValue nowhere */
  readonly recipe?: RecipeChanges;
}

/** A world as the study takes it: every part is there. */
export interface World<Truth = unknown> extends Required<Omit<WorldParts<Truth>, 'captions' | 'heldOut' | 'clip'>> {
  clip(index: number, draw?: ClipDraw): WorldClip<Truth>;
  /**
   * Captions of a set; `count` takes that many spread evenly over it, so that even a short list varies every word.
   *
   * @defaultValue all of the set
   */
  prompts(set: PromptSet, count?: number): string[];
  /** @throws RangeError unless the prompt is one of the world's captions. */
  check(prompt: string): void;
}

/**
 * A world from what is special about it.
 *
 * @throws Error where a caption has a word that `words` lacks, or a held-out caption is none of the captions.
 * @example
 * const lights = defineWorld({
 *   id: 'lights', options: {}, origin: 'drawn here', size: { frames: 9, height: 32, width: 32, fps: 8 },
 *   captions: ['a red light', 'a blue light'],
 *   clip: (index, { seed = 0, prompt = 'a red light' }) => draw(random.key(seed).stream(index), prompt),
 * });
 */
export function defineWorld<Truth>(parts: WorldParts<Truth>): World<Truth> {
  const { captions, heldOut = [], judges = [], ...given } = parts;
  const { words = [...new Set(captions.flatMap((caption) => caption.toLowerCase().split(/\s+/)))] } = parts;
  const hidden = new Set(heldOut);
  const sets = { all: captions, seen: captions.filter((caption) => !hidden.has(caption)), 'held-out': heldOut };
  checkCaptions(parts.id, captions, { words, heldOut });
  const world: World<Truth> = {
    text: (sizes) => wordText(words, sizes),
    brief: (prompt) => prompt,
    autoencoderSource: (seed) => clipSource(world, seed),
    measures: [...motionMeasures, ...rewardMeasures(judges)],
    claims: [],
    recipe: {},
    ...given,
    words,
    judges,
    clip: (index, draw = {}) => {
      if (Number.isInteger(index) && index >= 0) return parts.clip(index, draw);
      throw new RangeError(`index: wanted an integer from 0, received ${index}`);
    },
    prompts: (set, count) => spreadOver(sets[set], set, count),
    check: (prompt) => {
      if (captions.includes(prompt)) return;
      throw new RangeError(
        `prompt: received "${prompt}", wanted a caption of the world "${parts.id}", for example "${captions[0]}"`,
      );
    },
  };
  return world;
}

function checkCaptions(
  id: string,
  captions: readonly string[],
  { words, heldOut }: { words: readonly string[]; heldOut: readonly string[] },
): void {
  if (captions.length === 0) throw new Error(`captions: the world "${id}" has none; give one or more`);
  const known = new Set(words);
  for (const caption of captions) {
    const strange = caption
      .toLowerCase()
      .split(/\s+/)
      .find((word) => !known.has(word));
    if (strange !== undefined) throw new Error(`words: "${strange}" of the caption "${caption}" is missing; add it`);
  }
  const all = new Set(captions);
  const stray = heldOut.find((caption) => !all.has(caption));
  if (stray !== undefined) throw new Error(`heldOut: "${stray}" is none of the captions; add it to them, too`);
}

/** `count` items in distinct places, or all of them. */
function spreadOver(all: readonly string[], set: PromptSet, count: number = all.length): string[] {
  if (count === all.length) return [...all];
  if (!Number.isInteger(count) || count < 1 || count > all.length) {
    throw new RangeError(`count: wanted 1 to ${all.length}, as many prompts as "${set}" has, received ${count}`);
  }
  let stride = Math.floor(all.length * 0.6180339887);
  while (divisor(stride, all.length) !== 1) stride++; // no common factor: every place is visited once
  return Array.from({ length: count }, (_, i) => all[(i * stride) % all.length]!);
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}
