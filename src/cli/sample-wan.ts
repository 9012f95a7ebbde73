/** `reward-forcing sample --model FOLDER`: a video of an official Wan2.1 model, or of a causal student of it. */
import { model, sampler } from '../index.ts';
import type { Clip } from '../io/index.ts';
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

async function generated({ folder, open, causal, request, provenance }: WanRequest, signal: AbortSignal) {
  const plan = planned(await model.describeWan(folder, open), request, causal);
  process.stderr.write(`${String(plan)}\n`);
  if (!plan.fits) throw new sampler.MemoryError(plan); // before the weights are read
  const wan = await model.openWan(folder, open);
  try {
    const clip = await withProgress(wan, { ...request, signal }, causal);
    return { clip, preset: wan.preset, provenance };
  } finally {
    wan.dispose();
  }
}

function planned(
  described: model.WanDescription,
  request: sampler.GenerateRequest,
  causal: boolean,
): sampler.MemoryPlan {
  try {
    return sampler.planMemory(described, { ...request, causal });
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  }
}

/** Runs the pipeline and shows how far it is. */
async function withProgress(wan: model.OpenedWan, request: sampler.GenerateRequest, causal: boolean): Promise<Clip> {
  const progress = new ProgressLine();
  const { frames: total = 0 } = request;
  const onStep = ({ index, steps }: sampler.SamplerStep): void =>
    progress.update({ stage: 'denoising', done: index + 1, total: steps, values: {} });
  const pieces = causal ? sampler.generateCausal(wan, request) : sampler.generate(wan, { ...request, onStep });
  const onFrames = (done: number): void => progress.update({ stage: 'decoding', done, total, values: {} });
  const clip = await sampler.clipOf(pieces, { onFrames });
  progress.end();
  return clip;
}
