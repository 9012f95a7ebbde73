/** `reward-forcing sample --model FOLDER`: a video of an official Wan2.1 model, or of a causal student of it. */
import { model, sampler } from '../index.ts';
import type { Clip } from '../io/index.ts';
import { defaultNegativePrompt, type Settled, settle } from '../sampler/internal.ts';
import { prepareClipFile, writeClip } from './clip-file.ts';
import { UsageError } from './failure.ts';
import { interruptible } from './interrupt.ts';
import { ProgressLine } from './progress.ts';
import { type EngineFlags, startEngine } from './start-engine.ts';
import { requestOf, type WanRequest, type WanSampleFlags } from './wan-request.ts';

/** Generates a video and writes it with its prompt and settings inside. */
export async function sampleWan(prompt: string, flags: WanSampleFlags & EngineFlags): Promise<void> {
  const wanted = requestOf(prompt, flags);
  const out = await prepareClipFile(flags.out);
  await startEngine(flags);
  await interruptible(async (signal) => {
    const { provenance, preset, clip } = await generated(wanted, signal);
    await writeClip(out, clip, { ...provenance, model: preset ?? flags.model });
  }, 'nothing was written');
  process.stdout.write(`wrote ${out}\n`);
}

async function generated({ folder, open, request, provenance }: WanRequest, signal: AbortSignal) {
  const described = await model.describeWan(folder, open);
  const plan = planned(described, request);
  process.stderr.write(`${String(plan)}\n`);
  if (!plan.fits) throw new sampler.MemoryError(plan); // before the weights are read
  const settings = provenanceOf(settle(described, request));
  const wan = await model.openWan(folder, open);
  try {
    const clip = await withProgress(wan, { ...request, signal });
    return { clip, preset: wan.preset, provenance: { ...provenance, ...settings } };
  } finally {
    wan.dispose();
  }
}

function planned(described: model.WanDescription, request: sampler.GenerateRequest): sampler.MemoryPlan {
  try {
    return sampler.planMemory(described, request);
  } catch (error) {
    const isUsage = error instanceof RangeError || error instanceof TypeError;
    throw isUsage ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** The settings that a run had, those of a causal student without what it does not read. */
function provenanceOf({ size, frames, steps, guidanceScale, shift, solver, negativePrompt, causal }: Settled) {
  const every = { size: size.join('x'), frames: String(frames) };
  if (causal) return every;
  const negative = negativePrompt === defaultNegativePrompt ? {} : { negative: String(negativePrompt) };
  const numbers = { steps: String(steps), guidance: String(guidanceScale), shift: String(shift) };
  return { ...every, ...numbers, solver: solver.id, ...negative };
}

/** Runs the pipeline and shows how far it is. */
async function withProgress(wan: model.OpenedWan, request: sampler.GenerateRequest): Promise<Clip> {
  const progress = new ProgressLine();
  const onStep = ({ index, steps, block }: sampler.GenerateStep): void => {
    const stage = wan.defaults.causal ? `denoising block ${block + 1}` : 'denoising';
    progress.update({ stage, done: index + 1, total: steps, values: {} });
  };
  const onFrames = ({ start, frames, total }: sampler.GeneratedFrames): void =>
    progress.update({ stage: 'decoding', done: start + frames, total, values: {} });
  const [clip] = await sampler.generateClips(wan, { ...request, onStep }, { onFrames });
  progress.end();
  return clip!;
}
