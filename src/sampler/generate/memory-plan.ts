/** What a run will need in memory, before it starts. */

import { withDisplay } from '../../display/index.ts';
import {
  type BlockPlace,
  decodeMemory,
  queriesAtOnce,
  type Umt5Config,
  umt5Shapes,
  vaeShapes,
  vaeStrides,
  type WanConfig,
  wanShapes,
} from '../../model/internal.ts';
import { parameterCount, type Shapes } from '../../nn/index.ts';
import { type GenerateRequest, type LatentSize, type PlannedModel, type Settled, settle } from './request.ts';

/** One thing that takes memory, and the phase of the run in which it does. */
export interface MemoryRow {
  readonly what: string;
  readonly phase: 'all' | 'text' | 'denoising' | 'decoding';
  readonly bytes: number;
}

export interface MemoryPlan {
  readonly rows: readonly MemoryRow[];
  /** Most bytes at once: what stays, and the largest phase. */
  readonly peak: number;
  /** Infinity where no limit was wanted. */
  readonly limit: number;
  readonly fits: boolean;
  /** Changes that make the run fit, empty if it does. */
  readonly advice: readonly string[];
  toString(): string;
}

/** A run that does not fit; `plan` says why and what would help. */
export class MemoryError extends Error {
  override readonly name: string = 'MemoryError';
  readonly plan: MemoryPlan;

  constructor(plan: MemoryPlan) {
    const advice = plan.advice.length > 0 ? plan.advice.join('; or ') : 'use a machine with more memory';
    super(`the run needs about ${gib(plan.peak)} and may use ${gib(plan.limit)}: ${advice}`);
    this.plan = plan;
  }
}

/**
 * Plans the memory of a run: weights, text encoder, keys and values, activations and decoder, in float32. The figures
 * are estimates that were compared with measured peaks of the onnx engine; they are meant to be within a quarter.
 *
 * @throws RangeError if the request does not fit the model.
 * @example
 * const plan = sampler.planMemory(wan, { size: [832, 480], frames: 81 });
 * if (!plan.fits) console.log(String(plan));
 */
export function planMemory(model: PlannedModel, run: GenerateRequest): MemoryPlan {
  const rows = memoryRows(model, run);
  const peak = peakOf(rows);
  const limit = run.memoryLimit === null ? Number.POSITIVE_INFINITY : (run.memoryLimit ?? availableMemory());
  const fits = peak <= limit;
  const advice = fits ? [] : helpfulChanges(model, run, limit);
  const plan = { rows, peak, limit, fits, advice };
  const told = Object.assign(plan, { toString: () => planText(plan) });
  return withDisplay(told, () => ({ 'text/plain': planText(plan), 'text/html': planHtml(plan) }));
}

/** @throws MemoryError, before any work, with the plan and what would help if a run does not fit. */
export function checkMemory(model: PlannedModel, run: GenerateRequest): void {
  if (run.memoryLimit === null) return;
  const plan = planMemory(model, run);
  if (!plan.fits) throw new MemoryError(plan);
}

/** What the process may use in all: what is free, and what it has already. */
function availableMemory(): number {
  return process.availableMemory() + process.memoryUsage.rss();
}

const float = 4;

function row(what: string, phase: MemoryRow['phase'], bytes: number): MemoryRow {
  return { what, phase, bytes };
}

function memoryRows(model: PlannedModel, run: GenerateRequest): MemoryRow[] {
  const { net, decoder, text, blocks = 'resident', loraParameters = 0 } = model;
  const { config } = net;
  const settled = settle(model, run);
  const { latents: size, causal, prompts } = settled;
  const clips = Math.max(1, Math.min(settled.batch, prompts.length));
  const { space } = vaeStrides(decoder.config);
  const decoding = decodeMemory(decoder.config, { height: size.height * space, width: size.width * space });
  const latents = float * size.frames * size.channels * size.height * size.width;
  const pass = passRows(config, size, causal).map((each) => ({ ...each, bytes: clips * each.bytes }));
  return [
    row(`transformer, blocks ${blocks}`, 'all', transformerBytes(config, blocks)),
    ...(loraParameters > 0 ? [row('LoRA', 'all', float * loraParameters)] : []),
    row('VAE', 'all', float * parameterCount(vaeShapes(decoder.config))),
    ...(text?.config ? [row('text encoder, one block', 'text', textBytes(text.config))] : []),
    row('keys and values of the texts', 'denoising', clips * textCacheBytes(config, settled)),
    row('latents of the solver', 'denoising', 6 * clips * latents),
    ...pass,
    row('decoder, carried from piece to piece', 'decoding', clips * decoding.state),
    row('decoder, activations', 'decoding', clips * decoding.activations),
  ];
}

/** Bytes of the blocks between passes and, where they are swapped, of the one on the engine. */
function transformerBytes(config: WanConfig, blocks: BlockPlace): number {
  const all = [...wanShapes(config)];
  const count = (prefix: string): number => parameterCount(new Map(all.filter(([name]) => name.startsWith(prefix))));
  const [inBlocks, inOne, whole] = [count('blocks.'), count('blocks.0.'), count('')];
  if (blocks === 'resident') return float * whole;
  const held = { host: float, 'host-bfloat16': 2, file: 0 }[blocks] * inBlocks;
  return held + float * (whole - inBlocks + inOne);
}

/** A block as read and as float32. */
function textBytes(config: Umt5Config): number {
  const block: Shapes = new Map([...umt5Shapes(config)].filter(([name]) => name.startsWith('blocks.0.')));
  return (2 + float) * parameterCount(block);
}

function textCacheBytes({ num_layers, text_len, dim }: WanConfig, { guidanceScale }: Settled): number {
  const texts = guidanceScale === 1 ? 1 : 2;
  return texts * 2 * float * num_layers * text_len * dim;
}

/** Activations of one pass, and the cache that causal passes extend. */
function passRows(config: WanConfig, size: LatentSize, causal: boolean): MemoryRow[] {
  const { dim, ffn_dim, num_heads, num_layers, patch_size, local_attn_size, num_frame_per_block } = config;
  const frames = size.frames / patch_size[0];
  const frameTokens = (size.height / patch_size[1]) * (size.width / patch_size[2]);
  const keys = frameTokens * (local_attn_size === -1 || !causal ? frames : Math.min(frames, local_attn_size));
  const queries = causal ? frameTokens * Math.min(frames, num_frame_per_block) : keys;
  const logits = num_heads * queriesAtOnce(1, num_heads, queries, keys) * keys;
  const activations = float * (queries * (8 * dim + 2 * ffn_dim) + logits);
  const cache = 2 * float * num_layers * keys * dim;
  return [
    ...(causal ? [row('cache of keys and values, and its successor', 'denoising', 2 * cache)] : []),
    row('transformer, activations', 'denoising', activations),
  ];
}

function peakOf(rows: readonly MemoryRow[]): number {
  const sum = (phase: MemoryRow['phase']): number =>
    rows.filter((row) => row.phase === phase).reduce((total, { bytes }) => total + bytes, 0);
  return sum('all') + Math.max(sum('text'), sum('denoising'), sum('decoding'));
}

/** Changes, the mildest first, of which each alone makes the run fit. */
function helpfulChanges(model: PlannedModel, run: GenerateRequest, limit: number): string[] {
  const fits = (other: PlannedModel, changed: GenerateRequest): boolean => {
    try {
      return peakOf(memoryRows(other, changed)) <= limit;
    } catch {
      return false;
    }
  };
  const places = (['host-bfloat16', 'file'] as const).filter((place) => place !== model.blocks);
  const [width, height] = settle(model, run).size;
  const half = { ...run, size: [width / 2, height / 2] as const };
  const changes: [string, boolean][] = [
    ...places.map((place): [string, boolean] => [
      `open the model with blocks: '${place}'`,
      fits({ ...model, blocks: place }, run),
    ]),
    [`ask for size [${half.size}]`, fits(model, half)],
    [`ask for size [${half.size}] and open the model with blocks: 'file'`, fits({ ...model, blocks: 'file' }, half)],
  ];
  return changes.flatMap(([text, helps]) => (helps ? [text] : [])).slice(0, 2);
}

function gib(bytes: number): string {
  return bytes < 2 ** 29 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

type PlanData = Omit<MemoryPlan, 'toString'>;

function planText(plan: PlanData): string {
  const { rows, peak } = plan;
  const width = Math.max(...rows.map(({ what }) => what.length));
  const line = (what: string, phase: string, bytes: number): string =>
    `${what.padEnd(width)}  ${phase.padEnd(9)}  ${gib(bytes).padStart(10)}`;
  const lines = rows.map(({ what, phase, bytes }) => line(what, phase, bytes));
  return [...lines, line('peak', '', peak), ...verdict(plan)].join('\n');
}

/** Whether it fits, and what would make it fit. */
function verdict({ fits, limit, advice }: PlanData): string[] {
  const into = Number.isFinite(limit) ? gib(limit) : 'unlimited memory';
  return [`${fits ? 'fits' : 'does not fit'} into ${into}`, ...advice.map((text) => `to make it fit: ${text}`)];
}

function planHtml(plan: PlanData): string {
  const { rows, peak } = plan;
  const cell = (text: string, align: string = 'left'): string =>
    `<td style="text-align:${align};padding:2px 12px">${text}</td>`;
  const line = (what: string, phase: string, bytes: number): string =>
    `<tr>${cell(what)}${cell(phase)}${cell(gib(bytes), 'right')}</tr>`;
  const body = rows.map(({ what, phase, bytes }) => line(what, phase, bytes)).join('');
  return `<table>${body}${line('<b>peak</b>', '', peak)}</table><p>${verdict(plan).join('<br>')}</p>`;
}
